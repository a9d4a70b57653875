package restward.standin.ui;

import javax.websocket.OnMessage;
import javax.websocket.server.ServerEndpoint;

/** Where editors reach Synchrony by WebSocket. What is sent comes back. */
@ServerEndpoint("/synchrony-proxy/v1")
public class SynchronyEndpoint {
    @OnMessage
    public String echo(String text) {
        return text;
    }

    /** Test only, and in no Confluence: an upgrade on the REST API that got through would be answered. */
    @ServerEndpoint("/rest/standin/1.0/websocket")
    public static final class OnRest extends SynchronyEndpoint {}
}
