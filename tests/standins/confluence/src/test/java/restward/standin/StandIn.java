package restward.standin;

import java.io.IOException;
import java.net.BindException;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import restward.standin.RawHttp.Response;

/** A really started Tomcat with the stand-in in it, by the script that everybody else uses too. */
final class StandIn implements AutoCloseable {
    static final String CONTEXT = "/confluence";
    static final String ADMIN_PAT = "MDAwMDAwMDAwMDAxOnJlc3R3YXJkLXN0YW5kaW4tcGF0";
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    final int port;
    final Path home;
    private Process process;
    private final Map<String, String> environment;

    private StandIn(int port, Path home, Map<String, String> environment) {
        this.port = port;
        this.home = home;
        this.environment = environment;
    }

    static StandIn start(String... environment) throws IOException, InterruptedException {
        Map<String, String> variables = new HashMap<>();
        for (String variable : environment) {
            variables.put(variable.split("=", 2)[0], variable.split("=", 2)[1]);
        }
        StandIn standIn = new StandIn(freePort(), Files.createTempDirectory("standin"), variables);
        standIn.launch();
        return standIn;
    }

    void restart() throws IOException, InterruptedException {
        stop();
        launch();
    }

    private void launch() throws IOException, InterruptedException {
        ProcessBuilder builder = new ProcessBuilder(
                System.getenv("STANDIN_RUN"), "--port", Integer.toString(port), "--home", home.toString());
        builder.environment().putAll(environment);
        builder.redirectErrorStream(true).redirectOutput(home.resolve("run.log").toFile());
        process = builder.start();
        Instant deadline = Instant.now().plus(PATIENCE);
        while (!answers()) {
            if (!process.isAlive() || Instant.now().isAfter(deadline)) {
                throw new IllegalStateException("did not start:\n" + Files.readString(home.resolve("run.log")));
            }
            Thread.sleep(100);
        }
    }

    private boolean answers() {
        try {
            return from("127.0.0.1").send("GET", CONTEXT + "/status", List.of(), null).status() > 0;
        } catch (IOException notYet) {
            return false;
        }
    }

    RawHttp from(String address) {
        return new RawHttp(port, address);
    }

    /** A request from this machine; the path is inside the application. */
    Response send(String method, String path, String body, String... headers) throws IOException {
        return from("127.0.0.1").send(method, CONTEXT + path, Arrays.asList(headers), body);
    }

    Response get(String path, String... headers) throws IOException {
        return send("GET", path, null, headers);
    }

    Response json(String method, String path, String body, String... headers) throws IOException {
        List<String> all = new ArrayList<>(Arrays.asList(headers));
        all.add("Content-Type: application/json");
        all.add("Accept: application/json");
        return send(method, path, body, all.toArray(String[]::new));
    }

    Response form(String path, String body, String... headers) throws IOException {
        List<String> all = new ArrayList<>(Arrays.asList(headers));
        all.add("Content-Type: application/x-www-form-urlencoded");
        return send("POST", path, body, all.toArray(String[]::new));
    }

    /** The user that the echo saw: null for an anonymous request. */
    static Object user(Response echo) throws IOException {
        return echo.json().get("user");
    }

    static String basic(String name, String password) {
        byte[] pair = (name + ":" + password).getBytes(StandardCharsets.UTF_8);
        return "Authorization: Basic " + Base64.getEncoder().encodeToString(pair);
    }

    static String bearer(String token) {
        return "Authorization: Bearer " + token;
    }

    /**
     * A port that nobody listens on, and from below those that Linux hands out by itself: one of these may be taken by
     * somebody's outgoing connection before Tomcat is there.
     */
    static int freePort() throws IOException {
        while (true) {
            int port = ThreadLocalRandom.current().nextInt(20_000, 32_000);
            try (ServerSocket socket = new ServerSocket(port)) {
                return socket.getLocalPort();
            } catch (BindException taken) {
                continue;
            }
        }
    }

    private void stop() throws InterruptedException {
        process.destroy();
        if (!process.waitFor(20, TimeUnit.SECONDS)) {
            process.destroyForcibly();
        }
    }

    @Override
    public void close() throws IOException, InterruptedException {
        stop();
        try (var files = Files.walk(home)) {
            files.sorted(Comparator.reverseOrder()).forEach(file -> file.toFile().delete());
        }
    }
}
