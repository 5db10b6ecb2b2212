"""Scrapy's settings for a source: careful and polite wherever Scrapy's own defaults are not."""

from pipeline.crawl.addresses import OPEN_SETTING, PROXIES_SETTING, is_open, proxy_names
from pipeline.crawl.politeness import ROBOT
from pipeline.crawl.sources import WikiSource

_REPLACED = (  # by classes of ours, or by nothing
    "offsite.OffsiteMiddleware",
    "robotstxt.RobotsTxtMiddleware",
    "retry.RetryMiddleware",
    "redirect.MetaRefreshMiddleware",
)
_HERE = "pipeline.crawl"
_HOSTS_AT_ONCE = 4
_CAREFUL: dict[str, object] = {
    "ROBOTSTXT_OBEY": True,
    "ROBOTSTXT_USER_AGENT": ROBOT,
    "DOWNLOAD_DELAY_JITTER": 0.0,
    "AUTOTHROTTLE_ENABLED": True,
    "DOWNLOAD_WARNSIZE": 0,
    "DOWNLOAD_VERIFY_CERTIFICATES": True,
    "DOWNLOAD_HANDLERS": dict.fromkeys(("data", "file", "ftp", "s3"))
    | dict.fromkeys(("http", "https"), f"{_HERE}.wire.BoundedHandler"),
    "DOWNLOADER_MIDDLEWARES": dict.fromkeys(f"scrapy.downloadermiddlewares.{name}" for name in _REPLACED)
    | {
        f"{_HERE}.politeness.Gate": 50,
        f"{_HERE}.robots.PoliteRobots": 100,
        f"{_HERE}.politeness.PoliteRetry": 550,
        f"{_HERE}.politeness.Wall": 555,
        f"{_HERE}.politeness.DryRun": 900,
    },
    "SPIDER_MIDDLEWARES": {"scrapy.spidermiddlewares.referer.RefererMiddleware": None},
    "EXTENSIONS": {
        "scrapy.extensions.throttle.AutoThrottle": None,
        f"{_HERE}.pace.Pace": 0,
        f"{_HERE}.budget.Budget": 0,
    },
    "TWISTED_DNS_RESOLVER": f"{_HERE}.addresses.GuardedResolver",
    "REDIRECT_MAX_TIMES": 5,
    "HTTPERROR_ALLOW_ALL": True,  # an error is a line in the ledger, not silence
    "URLLENGTH_LIMIT": 0,  # fifty titles make a long address
    "COOKIES_ENABLED": False,
    "METAREFRESH_ENABLED": False,
    "HTTPCACHE_ENABLED": False,
    "TELNETCONSOLE_ENABLED": False,
    "REMOTE_CONTROL_ENABLED": False,
    "DUPEFILTER_CLASS": "scrapy.dupefilters.BaseDupeFilter",
    "SCHEDULER_MEMORY_QUEUE": "scrapy.squeues.FifoMemoryQueue",
    "LOG_LEVEL": "INFO",
    "CONCURRENT_ITEMS": 1,  # we have none, and Scrapy starts so many tasks for each answer
    "WARN_ON_GENERATOR_RETURN_VALUE": False,  # it reads and parses the callback's source at each answer
}


def settings_of(source: WikiSource, user_agent: str, log_file: str, proxy: str = "") -> dict[str, object]:
    """Return Scrapy's settings for crawling `source`; `proxy` is the address all requests go through, if any."""
    polite, limits = source.politeness, source.limits
    return _CAREFUL | {
        "USER_AGENT": user_agent,
        "CONCURRENT_REQUESTS": _HOSTS_AT_ONCE * polite.concurrency,
        "CONCURRENT_REQUESTS_PER_DOMAIN": polite.concurrency,
        "DOWNLOAD_DELAY": polite.delay,
        "AUTOTHROTTLE_START_DELAY": polite.delay,
        "AUTOTHROTTLE_MAX_DELAY": max(60.0, polite.longest_wait),
        "AUTOTHROTTLE_TARGET_CONCURRENCY": float(polite.concurrency),
        "DOWNLOAD_TIMEOUT": limits.timeout,  # of a whole answer, from asking to its last byte
        "DNS_TIMEOUT": limits.timeout,
        "DOWNLOAD_MAXSIZE": max(limits.page_bytes, limits.image_bytes),
        "RETRY_TIMES": polite.retries,
        "LOG_FILE": log_file,
        OPEN_SETTING: is_open(source),
        PROXIES_SETTING: list(proxy_names(proxy)),
    }
