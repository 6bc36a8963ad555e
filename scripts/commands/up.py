"""`up`: start the stack."""

from conf.runtime.exit_codes import ExitCode
from lakehouse.contracts.contract import ContractError, check_contracts
from lakehouse.reference_check import check_lists
from lakehouse.reference_files import ReferenceListError
from scripts.console import console, fail, new_app
from scripts.stack import lifecycle, readiness

app = new_app(None)


@app.command()
def up() -> None:
    """Start everything and wait until it is ready. Services that already run are left alone."""
    try:
        check_contracts()  # a service would end with the same message, but only in its log
        check_lists()
        lifecycle.up()
    except (ContractError, ReferenceListError) as error:
        fail(str(error), ExitCode.USAGE)
    except lifecycle.StackError as error:
        fail(str(error), error.code)
    except KeyboardInterrupt:
        fail("interrupted; what was started keeps running, ./run.sh down stops it", ExitCode.INTERRUPTED)
    console.print(f"ready: {readiness.api_url()}/docs", markup=False)
