"""The ClickHouse engine (chDB) behind ClickHouse's HTTP protocol, as a process of its own.

`python -m devstack.clickhouse --port PORT --data FOLDER --accounts FILE` serves one folder of data
on the loopback interface. A request goes one way through these files:

    server -> request -> accounts -> statements -> sessions -> engine | inserts -> server

`engine` alone imports chdb, and only in the server's process: a child forked from a process that
has imported it hangs. In production there is the real server; this one is for a machine without
Docker.
"""
