# Our processes. `app` runs in a stack; `people` is for trying it: shoppers, sellers, and doubles of Stripe, Twilio and mail.
FROM python:3.11-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PATH=/venv/bin:$PATH
RUN groupadd --gid 10001 fig && useradd --uid 10001 --gid fig --no-create-home --shell /usr/sbin/nologin fig \
    # A named volume takes its owner from here.
    && install -d -o fig -g fig /var/lib/fig /var/lib/fig/nginx /var/lib/fig/keys
WORKDIR /app

FROM base AS built
# The compiler stays in this stage.
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /venv
COPY requirements.runtime.lock ./
RUN pip install --quiet --require-hashes --no-deps -r requirements.runtime.lock
COPY pyproject.toml README.md LICENSE ./
COPY cdc ./cdc
COPY proxy ./proxy
COPY migration_plan ./migration_plan
COPY extracted ./extracted
COPY legacy_monolith ./legacy_monolith
RUN pip install --quiet --no-deps --no-build-isolation -e . && python -c "import cdc._tuples" \
    # The wheel does not always mark its program executable, and who runs it may not.
    && python -c "from proxy import installation; installation.binary()"

FROM base AS app
COPY --from=built /venv /venv
COPY --from=built /app /app
COPY fig.yml stack.yml ./
USER fig
ENV FIG_CONFIG=/app/fig.yml FIG_STATE=/var/lib/fig
CMD ["fig", "--help"]

FROM built AS with_tests
COPY requirements.lock ./
RUN pip install --quiet --require-hashes --no-deps -r requirements.lock

FROM base AS people
COPY --from=with_tests /venv /venv
COPY --from=built /app /app
COPY fig.yml stack.yml ./
COPY tests ./tests
USER fig
CMD ["python", "-m", "tests.load", "--help"]
