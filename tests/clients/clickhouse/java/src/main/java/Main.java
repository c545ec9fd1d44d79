import java.sql.Array;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Arrays;
import java.util.Map;
import java.util.Properties;
import java.util.TreeSet;

/** What an analyst asks with clickhouse-jdbc at its defaults, and what DBeaver and the like ask about the database. */
public class Main {
    private interface Question {
        void ask(Statement statement) throws SQLException;
    }

    public static void main(String[] arguments) throws Exception {
        Properties user = new Properties();
        user.put("user", arguments[1]);
        user.put("password", arguments[2]);
        try (Connection connection = DriverManager.getConnection("jdbc:clickhouse://" + arguments[0] + "/default", user)) {
            describe(connection.getMetaData());
            read(connection);
            System.out.println(code(connection, statement -> statement.executeQuery("SELECT * FROM no_such_table")));
            System.out.println(code(connection, statement -> {
                try (ResultSet rows = statement.executeQuery(
                        "SELECT number FROM numbers(100) SETTINGS max_result_rows = 10")) {
                    while (rows.next()) { }
                }
            }));
            try (Statement limited = connection.createStatement()) {
                limited.setMaxRows(5);
                try (ResultSet rows = limited.executeQuery("SELECT number FROM numbers(100)")) {
                    int count = 0;
                    while (rows.next()) count++;
                    System.out.println(count);
                }
            }
            System.out.println(code(connection, statement -> {
                cancelSoon(statement);
                statement.executeQuery("SELECT count() FROM system.numbers");
            }));
            System.out.println(connection.isValid(5));
        }
        System.exit(0); // the driver leaves threads behind
    }

    private static void describe(DatabaseMetaData about) throws SQLException {
        System.out.println(about.getDatabaseProductName());
        TreeSet<String> schemas = new TreeSet<>();
        try (ResultSet rows = about.getSchemas()) {
            while (rows.next()) schemas.add(rows.getString("TABLE_SCHEM"));
        }
        System.out.println(schemas.contains("default") && schemas.contains("system"));
        try (ResultSet rows = about.getCatalogs()) {
            while (rows.next()) { }
        }
        try (ResultSet rows = about.getTables(null, "default", "%", null)) {
            while (rows.next()) System.out.println(rows.getString("TABLE_NAME") + " " + rows.getString("REMARKS"));
        }
        StringBuilder columns = new StringBuilder();
        try (ResultSet rows = about.getColumns(null, "default", "facts", "%")) {
            while (rows.next()) columns.append(rows.getString("COLUMN_NAME")).append(' ');
        }
        System.out.println(columns.toString().trim());
        for (ResultSet rows : new ResultSet[] {
                about.getTypeInfo(), about.getTableTypes(), about.getPrimaryKeys(null, "default", "facts"),
                about.getIndexInfo(null, "default", "facts", false, false), about.getFunctions(null, null, "%"),
                about.getImportedKeys(null, "default", "facts")}) {
            rows.close();
        }
    }

    private static void read(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery(
                        "SELECT n, name, at, tags, scores, amount, maybe, kind FROM facts")) {
            row.next();
            Array scores = row.getArray("scores");
            System.out.println(String.join("|", row.getString("n"), row.getString("name"),
                    row.getObject("at", java.time.LocalDateTime.class).toString(),
                    String.valueOf(((Map<?, ?>) row.getObject("tags")).get("age")),
                    Arrays.deepToString((Object[]) scores.getArray()), row.getBigDecimal("amount").toPlainString(),
                    String.valueOf(row.getString("maybe") == null), row.getString("kind")));
        }
        long sum = 0;
        try (Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery("SELECT number, toString(number) FROM numbers(200000)")) {
            while (rows.next()) sum += rows.getLong(1);
        }
        System.out.println(sum);
        try (PreparedStatement statement = connection.prepareStatement("SELECT ?, n FROM facts WHERE n = ?")) {
            statement.setString(1, "O'Brien");
            statement.setInt(2, 7);
            try (ResultSet row = statement.executeQuery()) {
                row.next();
                System.out.println(row.getString(1));
            }
        }
    }

    private static void cancelSoon(Statement statement) {
        Thread thread = new Thread(() -> {
            try {
                Thread.sleep(1000);
                statement.cancel();
            } catch (Exception error) {
                System.out.println(error);
            }
        });
        thread.setDaemon(true);
        thread.start();
    }

    /** ClickHouse's number of the error, which the message begins with. */
    private static String code(Connection connection, Question question) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            question.ask(statement);
            return "no error";
        } catch (Exception error) {
            return String.valueOf(error.getMessage()).replaceAll("(?s).*?Code: (\\d+).*", "$1");
        }
    }
}
