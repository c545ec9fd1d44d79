"""What an analyst asks with SQLAlchemy, by the dialect of each of its two drivers for HTTP."""

import sys

import sqlalchemy
from sqlalchemy.exc import DatabaseError

_, host, port, user, password = sys.argv
for driver in ("clickhousedb", "clickhouse+http"):
    engine = sqlalchemy.create_engine(f"{driver}://{user}:{password}@{host}:{port}/default")
    with engine.connect() as connection:
        row = connection.execute(sqlalchemy.text("SELECT n, name, toString(amount), maybe, kind FROM facts")).one()
        print(tuple(row))
        columns = sqlalchemy.inspect(engine).get_columns("facts")
        print(" ".join(column["name"] for column in columns))
        found = connection.execute(sqlalchemy.text("SELECT name FROM facts WHERE n = :n"), {"n": 7})
        print(found.scalar_one())
        try:
            connection.execute(sqlalchemy.text("SELECT * FROM no_such_table")).fetchall()
        except DatabaseError as error:
            print("Code: 60" in str(error))
        except Exception as error:  # clickhouse-sqlalchemy has an error of its own
            print("Code: 60" in str(error))
