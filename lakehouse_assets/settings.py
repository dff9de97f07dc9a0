"""The environment, read once into a frozen value. Every setting is a variable that begins with `LAKEHOUSE_`."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from lakehouse_assets.engine.errors import SettingsError
from lakehouse_assets.engine.registry.store import ModelStore

PROJECT = Path(__file__).resolve().parents[1]
_FACTORY = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.DataFactory/factories/[^/]+", re.IGNORECASE
)


VARIABLES = tuple(
    f"LAKEHOUSE_{name}"
    for name in (
        "HOME", "DOMAINS", "LAKE", "CATALOG", "LANDING", "ONLINE", "ARRIVALS_QUEUE", "DATA_FACTORY", "AZURE_MANAGEMENT",
        "SPARK", "SPARK_MEMORY", "SPARK_CORES", "SPARK_IDLE_MINUTES", "CACHE", "COMPUTE", "DATABRICKS_VOLUME",
        "DATABRICKS_WHEELS", "DATABRICKS_SECRETS", "MLFLOW", "MLFLOW_REGISTRY", "KAFKA", "SCHEMA_REGISTRY", "POSTGRES",
        "COSMOS",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """Where things are, and which Spark does the work.

    | variable | meaning | default |
    |---|---|---|
    | LAKEHOUSE_HOME | folder of everything below that isn't set by itself | `.lakehouse` in the project |
    | LAKEHOUSE_DOMAINS | the package whose folders are the domains | `lakehouse_assets.domains` |
    | LAKEHOUSE_LAKE | root of the Delta tables, a path or a URL (`abfss://…`: see `resources/azure.py`) | `HOME/lake` |
    | LAKEHOUSE_CATALOG | the catalog that Spark knows the tables by, as `CATALOG.DOMAIN_LAYER.TABLE` | none: by path |
    | LAKEHOUSE_LANDING | root of the landing folders, one per domain, a path or a URL | `HOME/landing` |
    | LAKEHOUSE_ONLINE | the database of the latest features, `sqlite:///…` or `postgresql://…` | `HOME/online.db` |
    | LAKEHOUSE_ARRIVALS_QUEUE | the Storage Queue that Event Grid tells of arrivals | none |
    | LAKEHOUSE_DATA_FACTORY | resource id of the Data Factory that lands what `http` and `extract` declare | none |
    | LAKEHOUSE_AZURE_MANAGEMENT | where Azure is managed, in its other clouds | `https://management.azure.com` |
    | LAKEHOUSE_SPARK | `local` (a warm engine on this machine), or the `sc://` address of Spark Connect | `local` |
    | LAKEHOUSE_SPARK_MEMORY | heap of the local engine | `3g` |
    | LAKEHOUSE_SPARK_CORES | threads of the local engine | the machine's cores |
    | LAKEHOUSE_SPARK_IDLE_MINUTES | the local engine stops after so long without a client | `30` |
    | LAKEHOUSE_CACHE | JARs, and the local engine's state | `~/.cache/lakehouse-assets` |
    | LAKEHOUSE_COMPUTE | `local` (the Spark above), or `databricks` (jobs of a workspace) | `local` |
    | LAKEHOUSE_DATABRICKS_VOLUME | a folder for messages: `/Volumes/CATALOG/SCHEMA/VOLUME/…`, or `abfss://…` | none |
    | LAKEHOUSE_DATABRICKS_WHEELS | the wheels of jobs, with commas between | this one, in `wheels/` of a volume |
    | LAKEHOUSE_DATABRICKS_SECRETS | the secret scope whose `azure-…` and `lakehouse-…` jobs get as variables | none |
    | LAKEHOUSE_MLFLOW | MLflow's tracking store: a URI as MLflow takes it | a SQLite database in `HOME/mlflow` |
    | LAKEHOUSE_MLFLOW_REGISTRY | MLflow's registry of models, such as `databricks-uc` | the tracking store's |
    | LAKEHOUSE_KAFKA | where topics are: see `engine/sources/kafka/connection.py` | while `simulate` runs, its broker |
    | LAKEHOUSE_SCHEMA_REGISTRY | the registry of Avro schemas, `https://USER:PASSWORD@HOST:8081` | none |
    | LAKEHOUSE_POSTGRES | where sinks write: `postgresql://USER:PASSWORD@HOST/DATABASE` | none: they wait |
    | LAKEHOUSE_COSMOS | where sinks write: a connection string of Cosmos DB, or an endpoint | none: they wait |
    """

    home: Path
    domains: str
    lake: str
    catalog: str
    landing: str
    online: str = field(repr=False)  # there may be a password in it
    queue: str
    data_factory: str
    azure_management: str
    spark: str = field(repr=False)  # there may be a token in it
    spark_memory: str
    spark_cores: int
    spark_idle_minutes: float
    cache: Path
    compute: str
    databricks_volume: str
    databricks_wheels: tuple[str, ...]
    databricks_secrets: str
    mlflow: str = field(repr=False)  # there may be a password in it
    mlflow_registry: str = field(repr=False)

    @property
    def models(self) -> ModelStore:
        """Where models are kept."""
        return ModelStore(self.mlflow, self.mlflow_registry, str(self.home / "mlflow"), self.catalog)

    @property
    def stores(self) -> tuple[str, ...]:
        """The paths or URLs that Spark reads from and writes to."""
        return (self.lake, self.landing)


def read_settings(env: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process.

    Raises:
        SettingsError: a number isn't one, the Spark address, the Data Factory or the folder of jobs has a form we don't
            know, or no package has the name of the domains'.
    """
    env = os.environ if env is None else env
    home = Path(env.get("LAKEHOUSE_HOME") or PROJECT / ".lakehouse").absolute()
    mlflow = env.get("LAKEHOUSE_MLFLOW") or f"sqlite:///{home / 'mlflow' / 'mlflow.db'}"
    volume = _volume((env.get("LAKEHOUSE_DATABRICKS_VOLUME") or "").rstrip("/"))
    return Settings(
        home=home,
        domains=_package(env.get("LAKEHOUSE_DOMAINS") or "lakehouse_assets.domains"),
        lake=_root(env.get("LAKEHOUSE_LAKE") or str(home / "lake")),
        catalog=env.get("LAKEHOUSE_CATALOG") or "",
        landing=_root(env.get("LAKEHOUSE_LANDING") or str(home / "landing")),
        online=_online(env.get("LAKEHOUSE_ONLINE") or f"sqlite:///{home}/online.db"),
        queue=env.get("LAKEHOUSE_ARRIVALS_QUEUE") or "",
        data_factory=_resource_id(env.get("LAKEHOUSE_DATA_FACTORY") or ""),
        azure_management=env.get("LAKEHOUSE_AZURE_MANAGEMENT") or "https://management.azure.com",
        spark=_spark(env.get("LAKEHOUSE_SPARK") or "local"),
        spark_memory=_memory(env.get("LAKEHOUSE_SPARK_MEMORY") or "3g"),
        spark_cores=_whole(env, "LAKEHOUSE_SPARK_CORES", os.cpu_count() or 2),
        spark_idle_minutes=_number(env, "LAKEHOUSE_SPARK_IDLE_MINUTES", 30),
        cache=Path(env.get("LAKEHOUSE_CACHE") or Path.home() / ".cache" / "lakehouse-assets").absolute(),
        compute=_compute(env),
        databricks_volume=volume,
        databricks_wheels=_wheels(env.get("LAKEHOUSE_DATABRICKS_WHEELS") or "", volume),
        databricks_secrets=env.get("LAKEHOUSE_DATABRICKS_SECRETS") or "",
        mlflow=mlflow,
        mlflow_registry=env.get("LAKEHOUSE_MLFLOW_REGISTRY") or mlflow,
    )


def sound_settings(named: Collection[str] = ()) -> tuple[Settings, list[tuple[bool, str, str]]]:
    """The settings without those that are wrong, and of each that is set whether it's right, its name, and its value.

    `named` are variables that declarations name.
    """
    set_here = {name: value for name, value in os.environ.items() if name.startswith("LAKEHOUSE_") and value}
    told = [_looked_at(name, value, named) for name, value in sorted(set_here.items())]
    wrong = {name for fine, name, _ in told if not fine}
    return read_settings({name: value for name, value in os.environ.items() if name not in wrong}), told


def _looked_at(name: str, value: str, named: Collection[str]) -> tuple[bool, str, str]:
    # What is JSON may have a password anywhere.
    if name in named or name.startswith("LAKEHOUSE_SCHEMA_REGISTRY_") or value.lstrip().startswith("{"):
        return True, name, "set"  # to what may be a secret
    if name not in VARIABLES:
        near = get_close_matches(name, VARIABLES, n=1)
        return False, name, f"no setting has this name; did you mean {near[0]}?" if near else "no setting has this name"
    try:
        read_settings({name: value})
    except SettingsError as error:
        return False, name, str(error)
    return True, name, without_password(value.split(";")[0])  # and without a token


def dagster_home(env: Mapping[str, str] | None = None) -> Path:
    """The folder whose `.dagster/` has the history of this lake: LAKEHOUSE_HOME if that is set, else the project."""
    env = os.environ if env is None else env
    return Path(env.get("LAKEHOUSE_HOME") or PROJECT).absolute()


def _root(path: str) -> str:
    # Absolute, as the command and Dagster change the current folder.
    return path if "://" in path else str(Path(path).absolute())


def _package(name: str) -> str:
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if spec and spec.submodule_search_locations:
        return name
    raise SettingsError(
        f"LAKEHOUSE_DOMAINS is {name!r}, and no package of that name can be imported here; install it into this "
        "environment, or name one that is (a folder of domains with an __init__.py)"
    )


def _number(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name) or str(default)
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 < number < math.inf:
        raise SettingsError(f"{name} is {text!r}; set it to a number above zero, or leave it out for {default}")
    return number


def _whole(env: Mapping[str, str], name: str, default: int) -> int:
    number = _number(env, name, default)
    if number % 1:
        raise SettingsError(f"{name} is {env[name]!r}; set it to a whole number, or leave it out for {default}")
    return int(number)


def _memory(text: str) -> str:
    if re.fullmatch(r"[1-9]\d*[mMgG]", text):
        return text
    raise SettingsError(f"LAKEHOUSE_SPARK_MEMORY is {text!r}; use a number with m or g behind it, as in 3g")


def _spark(address: str) -> str:
    if address == "local" or address.startswith("sc://"):
        return address
    shown = address.split(";")[0]  # without a token
    raise SettingsError(f"LAKEHOUSE_SPARK is {shown!r}; use `local`, or `sc://host:port` of a Spark Connect server")


def _online(url: str) -> str:
    if url.startswith(("sqlite:///", "postgresql://")):
        return url
    raise SettingsError(
        f"LAKEHOUSE_ONLINE is {without_password(url)!r}; use sqlite:///FILE, or postgresql://USER:PASSWORD@HOST/DATABASE"
    )


def without_password(url: str) -> str:
    """A URL as it may be shown."""
    return re.sub(r"//([^:/@]*):.*@", r"//\1:***@", url)


def _compute(env: Mapping[str, str]) -> str:
    compute = env.get("LAKEHOUSE_COMPUTE") or "local"
    if compute not in ("local", "databricks"):
        raise SettingsError(f"LAKEHOUSE_COMPUTE is {compute!r}; use `local` or `databricks`")
    return compute


def _volume(text: str) -> str:
    if text and not text.startswith(("/", "abfs://", "abfss://")):
        raise SettingsError(
            f"LAKEHOUSE_DATABRICKS_VOLUME is {text!r}; use a folder of a volume, "
            "/Volumes/CATALOG/SCHEMA/VOLUME/FOLDER, or of Azure Storage, "
            "abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER"
        )
    return text


def _wheels(text: str, volume: str) -> tuple[str, ...]:
    named = tuple(part.strip() for part in text.split(",") if part.strip())
    # Serverless compute installs nothing from an abfss:// URL.
    return named or ((f"{volume}/wheels/{wheel_name()}",) if volume and "://" not in volume else ())


def wheel_name() -> str:
    """The file name of this project's wheel, as `make wheel` builds it."""
    return f"lakehouse_assets-{version('lakehouse-assets')}-py3-none-any.whl"


def _resource_id(text: str) -> str:
    if not text or _FACTORY.fullmatch(text):
        return text
    raise SettingsError(
        f"LAKEHOUSE_DATA_FACTORY is {text!r}; use the factory's resource id, "
        "/subscriptions/…/resourceGroups/…/providers/Microsoft.DataFactory/factories/NAME"
    )
