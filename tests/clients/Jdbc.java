import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.util.Arrays;
import java.util.List;
import java.util.Scanner;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * A connection of JDBC that does what its standard input says, a command a line, and prints what came of it. Whichever
 * driver knows the URL is used: `java -cp DRIVERS Jdbc.java URL USER PASSWORD`.
 *
 * Commands, their arguments parted by tabs: `query SQL`, `count SQL` (only how many rows), `prepare SQL VALUE…` (a value is
 * `TYPE:TEXT`), `parameters SQL`, `update SQL`, `cancel SQL`, `catalogs`, `schemas`, `tables PATTERN PATTERN`,
 * `columns PATTERN PATTERN`, `types`, `keys SCHEMA TABLE`, `privileges SCHEMA TABLE`, `listings SCHEMA TABLE` (how many rows
 * each of the others gives), `type info`, `about`.
 */
public class Jdbc {
    public static void main(String[] arguments) throws Exception {
        boolean connected = false;
        try (Connection connection = DriverManager.getConnection(arguments[0], arguments[1], arguments[2]);
                Scanner lines = new Scanner(System.in, "UTF-8")) {
            connected = true;
            while (lines.hasNextLine()) {
                List<String> words = Arrays.asList(lines.nextLine().split("\t", -1));
                System.out.println("> " + String.join(" ", words));
                try {
                    run(connection, words.get(0), words.subList(1, words.size()));
                } catch (SQLException error) {
                    String text = String.valueOf(error.getMessage()).replace('\n', ' ');
                    System.out.println("error " + error.getSQLState() + " " + text);
                }
            }
        } catch (SQLException error) {
            if (connected) {
                // The work is done: Arrow's driver closes noisily over a result that was cancelled.
                System.err.println("closed: " + error.getMessage());
                System.exit(0);
            }
            System.out.println("refused " + String.valueOf(error.getMessage()).replace('\n', ' '));
        }
        System.out.flush();
        // A driver may leave threads behind.
        System.exit(0);
    }

    private static void run(Connection connection, String command, List<String> rest) throws Exception {
        DatabaseMetaData about = connection.getMetaData();
        switch (command) {
            case "query" -> {
                try (Statement statement = connection.createStatement()) {
                    print(statement.executeQuery(rest.get(0)));
                }
            }
            case "count" -> {
                try (Statement statement = connection.createStatement()) {
                    statement.setFetchSize(1000);
                    long count = 0;
                    try (ResultSet rows = statement.executeQuery(rest.get(0))) {
                        while (rows.next()) {
                            count++;
                        }
                    }
                    System.out.println(count);
                }
            }
            case "prepare" -> {
                try (PreparedStatement statement = connection.prepareStatement(rest.get(0))) {
                    for (int at = 1; at < rest.size(); at++) {
                        set(statement, at, rest.get(at));
                    }
                    print(statement.executeQuery());
                }
            }
            case "parameters" -> {
                try (PreparedStatement statement = connection.prepareStatement(rest.get(0))) {
                    System.out.println(statement.getParameterMetaData().getParameterCount());
                    ResultSetMetaData columns = statement.getMetaData();
                    for (int at = 1; at <= columns.getColumnCount(); at++) {
                        System.out.println(columns.getColumnLabel(at) + " " + columns.getColumnTypeName(at));
                    }
                }
            }
            case "update" -> {
                try (Statement statement = connection.createStatement()) {
                    System.out.println(statement.executeUpdate(rest.get(0)));
                }
            }
            case "cancel" -> cancel(connection, rest.get(0));
            case "catalogs" -> print(about.getCatalogs());
            case "schemas" -> print(about.getSchemas());
            case "tables" -> some(about.getTables(null, rest.get(0), rest.get(1), null), "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE");
            case "columns" -> some(
                    about.getColumns(null, rest.get(0), rest.get(1), null),
                    "TABLE_NAME", "COLUMN_NAME", "DATA_TYPE", "ORDINAL_POSITION", "IS_NULLABLE");
            case "types" -> print(about.getTableTypes());
            case "keys" -> print(about.getPrimaryKeys(null, rest.get(0), rest.get(1)));
            case "privileges" -> {
                some(about.getTablePrivileges(null, rest.get(0), rest.get(1)), "GRANTEE", "PRIVILEGE", "IS_GRANTABLE");
                some(about.getColumnPrivileges(null, rest.get(0), rest.get(1), "%"), "COLUMN_NAME", "PRIVILEGE");
            }
            case "listings" -> listings(about, rest.get(0), rest.get(1));
            case "type info" -> {
                int types = 0;
                try (ResultSet found = about.getTypeInfo()) {
                    while (found.next()) {
                        types++;
                    }
                }
                System.out.println((types > 10) + " " + about.getDefaultTransactionIsolation() + " "
                        + about.getMaxColumnsInIndex());
            }
            case "about" -> System.out.println(
                    about.getDatabaseProductName() + " " + about.isReadOnly() + " " + about.getIdentifierQuoteString());
            default -> throw new IllegalArgumentException(command);
        }
    }

    /** What a tool such as DBeaver asks of a table and its schema. */
    private static void listings(DatabaseMetaData about, String schema, String table) throws SQLException {
        count("imported keys", about.getImportedKeys(null, schema, table));
        count("exported keys", about.getExportedKeys(null, schema, table));
        count("cross reference", about.getCrossReference(null, schema, table, null, schema, table));
        count("index info", about.getIndexInfo(null, schema, table, false, true));
        count("best row identifier", about.getBestRowIdentifier(null, schema, table, DatabaseMetaData.bestRowSession, true));
        count("version columns", about.getVersionColumns(null, schema, table));
        count("procedures", about.getProcedures(null, schema, null));
        count("procedure columns", about.getProcedureColumns(null, schema, null, null));
        count("functions", about.getFunctions(null, schema, null));
        count("function columns", about.getFunctionColumns(null, schema, null, null));
        count("user types", about.getUDTs(null, schema, null, null));
        count("client info", about.getClientInfoProperties());
    }

    private static void count(String name, ResultSet all) throws SQLException {
        try (ResultSet rows = all) {
            int count = 0;
            while (rows.next()) {
                count++;
            }
            System.out.println(name + " " + count);
        }
    }

    /** Reads a little, cancels from another thread, and reads on until the end comes. */
    private static void cancel(Connection connection, String sql) throws Exception {
        try (Statement statement = connection.createStatement()) {
            CompletableFuture<Void> cancelled = CompletableFuture.runAsync(() -> {
                try {
                    TimeUnit.MILLISECONDS.sleep(1500);
                    statement.cancel();
                } catch (Exception error) {
                    throw new RuntimeException(error);
                }
            });
            statement.setFetchSize(100);
            long start = System.nanoTime();
            try {
                ResultSet rows = statement.executeQuery(sql);
                while (rows.next()) {
                    if (System.nanoTime() - start > TimeUnit.SECONDS.toNanos(60)) {
                        System.out.println("never cancelled");
                        return;
                    }
                }
                System.out.println("ended");
            } catch (SQLException | RuntimeException error) {
                System.out.println("cancelled");
            }
            cancelled.get();
        }
    }

    private static void set(PreparedStatement statement, int at, String value) throws SQLException {
        String text = value.substring(value.indexOf(':') + 1);
        switch (value.substring(0, value.indexOf(':'))) {
            case "long" -> statement.setLong(at, Long.parseLong(text));
            case "text" -> statement.setString(at, text);
            case "double" -> statement.setDouble(at, Double.parseDouble(text));
            case "boolean" -> statement.setBoolean(at, Boolean.parseBoolean(text));
            case "date" -> statement.setDate(at, java.sql.Date.valueOf(text));
            case "decimal" -> statement.setBigDecimal(at, new java.math.BigDecimal(text));
            case "null" -> statement.setNull(at, Types.VARCHAR);
            default -> throw new IllegalArgumentException(value);
        }
    }

    private static void print(ResultSet rows) throws SQLException {
        ResultSetMetaData columns = rows.getMetaData();
        String[] names = new String[columns.getColumnCount()];
        for (int at = 0; at < names.length; at++) {
            names[at] = columns.getColumnLabel(at + 1);
        }
        System.out.println(String.join("|", names));
        some(rows, names);
    }

    private static void some(ResultSet all, String... names) throws SQLException {
        try (ResultSet rows = all) {
            while (rows.next()) {
                String[] values = new String[names.length];
                for (int at = 0; at < names.length; at++) {
                    Object value = rows.getObject(names[at]);
                    values[at] = value instanceof byte[] bytes ? hex(bytes) : String.valueOf(value);
                }
                System.out.println(String.join("|", values));
            }
        }
    }

    private static String hex(byte[] bytes) {
        StringBuilder text = new StringBuilder();
        for (byte part : bytes) {
            text.append(String.format("%02x", part));
        }
        return text.toString();
    }
}
