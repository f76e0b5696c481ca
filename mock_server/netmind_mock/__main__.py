"""Run the command ``netmind-mock`` by ``python -m netmind_mock``."""

from netmind_mock.cli import main

if __name__ == "__main__":
    main(prog_name="netmind-mock")
