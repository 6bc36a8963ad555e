"""SIGKILL under load: no event is lost or doubled, and gold equals an independent recomputation."""
