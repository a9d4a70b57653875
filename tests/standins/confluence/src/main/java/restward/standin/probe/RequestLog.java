package restward.standin.probe;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Map;

/** The last requests that reached the application, so that a test can show that something did not. */
public final class RequestLog {
    private static final int KEPT = 2000;

    public record Entry(
            long number, String method, String uri, String query, List<List<String>> headers,
            Map<String, String[]> parameters, String authentication, String user, int status) {}

    private final Deque<Entry> entries = new ArrayDeque<>();
    private long count;
    private int underWay;

    /** A request came. What it was is added when it ends, which is a moment after its client has the whole answer. */
    synchronized void begin() {
        underWay++;
    }

    synchronized void end() {
        underWay--;
        notifyAll();
    }

    /** Waits until all that came has ended, so that whoever has an answer finds the request here. At most so long. */
    synchronized void settle(Duration patience) throws InterruptedException {
        long end = System.nanoTime() + patience.toNanos();
        for (long left = patience.toMillis(); underWay > 0 && left > 0; left = (end - System.nanoTime()) / 1_000_000) {
            wait(left);
        }
    }

    synchronized void add(
            String method, String uri, String query, List<List<String>> headers, Map<String, String[]> parameters,
            String authentication, String user, int status) {
        count++;
        entries.addLast(new Entry(count, method, uri, query, headers, parameters, authentication, user, status));
        if (entries.size() > KEPT) {
            entries.removeFirst();
        }
    }

    synchronized long count() {
        return count;
    }

    synchronized List<Entry> after(long number) {
        return entries.stream().filter(entry -> entry.number() > number).toList();
    }
}
