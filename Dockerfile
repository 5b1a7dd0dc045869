# One image for all processes; docker-compose.yml says which one a container runs.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS packages
COPY requirements/runtime.txt /requirements.txt
RUN python3 -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /requirements.txt

FROM ${BASE}
RUN useradd --system --create-home --uid 10001 autotrader \
    && install -d -o autotrader -g autotrader -m 0700 /data
COPY --from=packages /venv /venv
WORKDIR /app
COPY manage.py ./
COPY config config
COPY exchange exchange
COPY analysis analysis
COPY trading trading
COPY notifications notifications
COPY dashboard dashboard
COPY templates templates
COPY static static
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    AUTOTRADER_DATA=/data \
    HOST=0.0.0.0
USER autotrader
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["python", "manage.py", "serve"]
