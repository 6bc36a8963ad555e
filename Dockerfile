# One image for stream, doors and API: Python and Java 17, packages and jars by checksum.
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install -y --no-install-recommends openjdk-17-jre-headless procps \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /lumbung
COPY bootstrap.lock requirements.lock run.sh ./
COPY conf/jars conf/jars
COPY conf/__init__.py conf/settings.py conf/lumbung.yml conf/
COPY scripts/__init__.py scripts/jars.py scripts/secrets_file.py scripts/
# Before the code, so that a change of code fetches nothing again. The secrets are the volume's, not the image's.
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
