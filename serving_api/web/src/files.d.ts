declare module "*.css";
/** An address: the build copies the file and names it by its content. */
declare module "*.geo" {
  const address: string;
  export default address;
}
