# The worker: `plumbline` and what it needs, run by a user without rights.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY monitor monitor
COPY producers producers
COPY schemas schemas
COPY devstack devstack
COPY docs/runbooks docs/runbooks
RUN pip install . \
    && useradd --system --uid 10001 --create-home plumbline

USER plumbline
WORKDIR /home/plumbline
ENTRYPOINT ["plumbline"]
CMD ["run"]
