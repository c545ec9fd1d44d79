// What an analyst asks with clickhouse-go over HTTP: by its own interface, compressed or not, and by database/sql as Grafana's plugin has it.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/shopspring/decimal"
)

const row = "SELECT n, name, at, tags, scores, amount, maybe, kind FROM facts"

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func options(method clickhouse.CompressionMethod) *clickhouse.Options {
	return &clickhouse.Options{
		Protocol:    clickhouse.HTTP,
		Addr:        []string{os.Args[1]},
		Auth:        clickhouse.Auth{Database: "default", Username: os.Args[2], Password: os.Args[3]},
		Compression: &clickhouse.Compression{Method: method},
	}
}

func line(n uint64, name string, at time.Time, tags map[string]string, scores []float64, amount decimal.Decimal, maybe *string, kind string) {
	fmt.Printf("%d|%s|%s|%s|%v|%s|%v|%s\n", n, name, at.UTC().Format("2006-01-02T15:04:05.000000"), tags["age"], scores, amount.StringFixed(2), maybe == nil, kind)
}

func byItsOwnInterface(method clickhouse.CompressionMethod) {
	conn, err := clickhouse.Open(options(method))
	must(err)
	defer conn.Close()
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()

	var (
		n      uint64
		name   string
		at     time.Time
		tags   map[string]string
		scores []float64
		amount decimal.Decimal
		maybe  *string
		kind   string
	)
	must(conn.QueryRow(ctx, row).Scan(&n, &name, &at, &tags, &scores, &amount, &maybe, &kind))
	line(n, name, at, tags, scores, amount, maybe, kind)

	rows, err := conn.Query(ctx, "SELECT number, toString(number) AS text FROM numbers(200000)")
	must(err)
	var sum, digits uint64
	for rows.Next() {
		must(rows.Scan(&n, &name))
		sum += n
		digits += uint64(len(name))
	}
	must(rows.Err())
	fmt.Println(sum, digits)

	must(conn.QueryRow(ctx, "SELECT {p:String}", clickhouse.Named("p", "O'Brien")).Scan(&name))
	fmt.Println(name)

	var exception *clickhouse.Exception
	err = conn.QueryRow(ctx, "SELECT * FROM no_such_table").Scan(&n)
	fmt.Println(errors.As(err, &exception) && exception.Code == 60)

	tight := clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_result_rows": 10}))
	err = conn.QueryRow(tight, "SELECT number FROM numbers(100)").Scan(&n)
	fmt.Println(errors.As(err, &exception) && exception.Code == 396)

	short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	err = conn.QueryRow(short, "SELECT count() FROM system.numbers").Scan(&n)
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
}

func asGrafanaDoes() {
	opened := options(clickhouse.CompressionGZIP)
	opened.Settings = clickhouse.Settings{"max_execution_time": 60}
	db := clickhouse.OpenDB(opened)
	defer db.Close()
	// Grafana waits a minute; the driver asks for what is left of it and five seconds more.
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	must(db.PingContext(ctx))

	var (
		minute time.Time
		count  uint64
		tables []string
		table  string
	)
	must(db.QueryRowContext(ctx, "SELECT toStartOfInterval(at, INTERVAL 60 second) AS time, count() FROM facts "+
		"WHERE at >= toDateTime64(1767225600, 3) AND at <= toDateTime64(1767398400, 3) GROUP BY time ORDER BY time").Scan(&minute, &count))
	fmt.Println(minute.UTC().Format(time.RFC3339), count)

	rows, err := db.QueryContext(ctx, "SELECT name FROM system.tables WHERE database = 'default' ORDER BY name")
	must(err)
	for rows.Next() {
		must(rows.Scan(&table))
		tables = append(tables, table)
	}
	must(rows.Err())
	fmt.Println(strings.Join(tables, ","))

	var nothing sql.NullString
	must(db.QueryRowContext(ctx, "SELECT maybe FROM facts WHERE n = ?", 7).Scan(&nothing))
	fmt.Println(nothing.Valid)
}

func main() {
	for _, method := range []clickhouse.CompressionMethod{clickhouse.CompressionNone, clickhouse.CompressionLZ4, clickhouse.CompressionGZIP} {
		byItsOwnInterface(method)
	}
	asGrafanaDoes()
}
