"""Django settings, all of them from ``config.environment``."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from django.templatetags.static import static
from django.urls import reverse_lazy

from config.environment import Deployment, load_environment, prepare_data_folder, secret_key
from config.logging import logging_config, report_errors

ENVIRONMENT = load_environment()
BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = ENVIRONMENT.data
prepare_data_folder(ENVIRONMENT)

SECRET_KEY = secret_key(ENVIRONMENT)
DEBUG = ENVIRONMENT.debug
ALLOWED_HOSTS = ENVIRONMENT.allowed_hosts
CSRF_TRUSTED_ORIGINS = ENVIRONMENT.csrf_trusted_origins
LIVE_TRADING = ENVIRONMENT.live_trading
BYBIT_REST_URL = ENVIRONMENT.bybit_rest_url
BYBIT_WS_PUBLIC_URL = ENVIRONMENT.bybit_ws_public_url
BYBIT_WS_PRIVATE_URL = ENVIRONMENT.bybit_ws_private_url
EMBEDDED = ENVIRONMENT.deployment is not Deployment.PRODUCTION and ENVIRONMENT.redis_url is None

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_celery_beat",
    "django_htmx",
    "channels",
    "rest_framework",
    "exchange",
    "analysis",
    "trading",
    "notifications",
    "dashboard",
    "config",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "config.static_files.StaticFilesMiddleware",
    "dashboard.middleware.RequestIdMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "dashboard.middleware.ContentSecurityPolicyMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]


def database(url: str | None) -> dict[str, Any]:
    """SQLite in the data folder, or the PostgreSQL that ``url`` names."""
    if url is None:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": DATA_DIR / "autotrader.sqlite3",
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                # FULL: a committed intent must survive a power cut, or an order could leave
                # that nobody remembers.
                "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;",
            },
            # A file, because threads of a test cannot share an in-memory database.
            "TEST": {"NAME": DATA_DIR / "test.sqlite3"},
        }
    parts = urlsplit(url)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": query,
    }


def reveal(secret: Any) -> str | None:
    return secret.get_secret_value() if secret is not None else None


KEY_ENCRYPTION_KEY = reveal(ENVIRONMENT.key_encryption_key)
HEARTBEAT_URL = reveal(ENVIRONMENT.heartbeat_url)
OPENAI_API_KEY = reveal(ENVIRONMENT.openai_api_key)
AI_EVIDENCE_DAYS = ENVIRONMENT.ai_evidence_days
DATABASES = {"default": database(reveal(ENVIRONMENT.database_url))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = reveal(ENVIRONMENT.redis_url)

if REDIS_URL is None:
    CHANNEL_LAYERS: dict[str, Any] = {"default": {"BACKEND": "config.channels.EmbeddedLayer"}}
    CELERY_BROKER_URL = "memory://localhost/"
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {"polling_interval": 0.05}
else:
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            # Without None redis-py gives up on a quiet connection after 5 s.
            "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": None}]},
        }
    }
    # Celery has its own name for a unix socket.
    CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
    CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600}

CELERY_TASK_IGNORE_RESULT = True
# No results, so none to clean up: beat would add a task for that.
CELERY_RESULT_EXPIRES = None
CELERY_TASK_DEFAULT_QUEUE = "cycles"
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_TIME_LIMIT = 600
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"

LOGGING_CONFIG = "logging.config.dictConfig"
LOGGING = logging_config(ENVIRONMENT.log_level, ENVIRONMENT.log_format)

if ENVIRONMENT.sentry_dsn is not None:
    report_errors(ENVIRONMENT.sentry_dsn.get_secret_value())

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = "Y-m-d H:i:s"

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = DATA_DIR / "static"
WHITENOISE_USE_FINDERS = True

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "login"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ENVIRONMENT.deployment is Deployment.PRODUCTION
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}

UNFOLD = {
    "SITE_TITLE": "Autotrader",
    "SITE_HEADER": "Autotrader",
    "SITE_URL": "/",
    "SITE_ICON": lambda request: static("img/mark.svg"),
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "sizes": "any",
            "href": lambda request: static("img/mark.svg"),
        }
    ],
    "COLORS": {
        # The console's blue, as Tailwind's palette spells it.
        "primary": {
            "50": "oklch(97% .014 254.604)",
            "100": "oklch(93.2% .032 255.585)",
            "200": "oklch(88.2% .059 254.128)",
            "300": "oklch(80.9% .105 251.813)",
            "400": "oklch(70.7% .165 254.624)",
            "500": "oklch(62.3% .214 259.815)",
            "600": "oklch(54.6% .245 262.881)",
            "700": "oklch(48.8% .243 264.376)",
            "800": "oklch(42.4% .199 265.638)",
            "900": "oklch(37.9% .146 265.522)",
            "950": "oklch(28.2% .091 267.935)",
        },
    },
    "ENVIRONMENT": "dashboard.admin.environment",
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": True,
        "navigation": [
            {
                "title": "Console",
                "items": [
                    {
                        "title": "Overview",
                        "icon": "monitoring",
                        "link": reverse_lazy("overview"),
                        # Every address begins with that of the overview.
                        "active": lambda request: False,
                    },
                    {"title": "Cycles", "icon": "cycle", "link": reverse_lazy("cycles")},
                    {
                        "title": "Trades",
                        "icon": "candlestick_chart",
                        "link": reverse_lazy("trades"),
                    },
                    {"title": "Bots", "icon": "smart_toy", "link": reverse_lazy("bots")},
                    {"title": "Events", "icon": "list", "link": reverse_lazy("events")},
                    {"title": "Connection", "icon": "cable", "link": reverse_lazy("connection")},
                    {"title": "Kill switch", "icon": "power", "link": reverse_lazy("kill")},
                ],
            },
        ],
    },
}
