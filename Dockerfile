# One image for all services: Python and Java 17, packages and jars by checksum.
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install -y --no-install-recommends openjdk-17-jre-headless procps \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /lumbung
COPY bootstrap.lock requirements.lock run.sh ./
COPY conf conf
COPY serving_api/web serving_api/web
COPY scripts/__init__.py scripts/
COPY scripts/stack/__init__.py scripts/stack/jars.py scripts/stack/secrets_file.py scripts/stack/web_page.py scripts/stack/
# Set up before the code is copied, so that a change of code downloads nothing. The volume holds the secrets, not the image.
RUN LUMBUNG_HOME=/tmp/unused ./run.sh setup && rm -rf /tmp/unused
COPY . .

RUN useradd --create-home lumbung && mkdir /data && chown lumbung /data
USER lumbung
ENV LUMBUNG_HOME=/data \
    LUMBUNG_KAFKA__EMBEDDED=false \
    PYTHONUNBUFFERED=1 \
    PATH=/lumbung/.venv/bin:$PATH
VOLUME /data
CMD ["python", "-m", "scripts.cli", "--help"]
