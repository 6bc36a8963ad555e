/** The Bayesian rating of a category, and what lifts it. */

/**
 * How many new reviews of `stars` points lift a Bayesian rating above `target`; null: no number of them does.
 *
 * The rating is (C m + sum of reviews * rating) / (C + reviews), and k reviews add k * stars above and k below.
 * `reviews`: of the category; `prior`: C.
 */
export function reviewsToPass(rating: number, reviews: number, prior: number, target: number, stars: number): number | null {
  if (rating > target) return 0;
  if (stars <= target) return null;
  return Math.floor(((target - rating) * (prior + reviews)) / (stars - target)) + 1;
}
