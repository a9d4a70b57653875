package restward.standin;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** The WebSocket of the editor, by a client that is not ours. */
final class SynchronyTest {
    private static final class FirstText implements WebSocket.Listener {
        final CompletableFuture<String> text = new CompletableFuture<>();

        @Override
        public CompletionStage<?> onText(WebSocket socket, CharSequence data, boolean last) {
            text.complete(data.toString());
            return null;
        }
    }

    private static String echoed(StandIn wiki, String path, String text) throws Exception {
        FirstText first = new FirstText();
        URI uri = URI.create("ws://localhost:" + wiki.port + StandIn.CONTEXT + path);
        WebSocket socket = HttpClient.newHttpClient().newWebSocketBuilder().buildAsync(uri, first).join();
        socket.sendText(text, true).join();
        String echo = first.text.get(30, TimeUnit.SECONDS);
        socket.abort();
        return echo;
    }

    @Test
    void whatIsSentComesBack() throws Exception {
        try (StandIn wiki = StandIn.start()) {
            assertEquals("hello", echoed(wiki, "/synchrony-proxy/v1", "hello"));
            assertEquals("hello", echoed(wiki, "/rest/standin/1.0/websocket", "hello"));
            assertThrows(CompletionException.class, () -> echoed(wiki, "/status", "hello"));
        }
    }
}
