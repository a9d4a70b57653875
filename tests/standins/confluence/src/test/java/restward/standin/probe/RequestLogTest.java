package restward.standin.probe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;

class RequestLogTest {
    private static final Duration LONG = Duration.ofMinutes(1);

    private final RequestLog log = new RequestLog();

    private void add() {
        log.add("GET", "/", null, List.of(), Map.of(), "none", null, 200);
    }

    @Test
    void whoReadsWaitsForWhatIsUnderWay() throws InterruptedException {
        log.begin();
        CountDownLatch reads = new CountDownLatch(1);
        Thread request = new Thread(() -> {
            try {
                reads.await();
                Thread.sleep(50);
            } catch (InterruptedException stopped) {
                return;
            }
            add();
            log.end();
        });
        request.start();
        reads.countDown();
        log.settle(LONG);
        assertEquals(1, log.after(0).size());
        request.join();
    }

    @Test
    void butNotForEver() {
        log.begin();
        assertTimeoutPreemptively(LONG, () -> log.settle(Duration.ofMillis(20)));
        log.end();
        assertTimeoutPreemptively(LONG, () -> log.settle(LONG));
    }
}
