import psycopg


def test_two_servers_answer(monolith_server, services_server, new_database):
    for server in (monolith_server, services_server):
        with psycopg.connect(new_database(server)) as connection:
            assert connection.execute("show wal_level").fetchone() == ("logical",)
