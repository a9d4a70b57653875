package restward.standin;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import restward.standin.RawHttp.Response;

/** What the connector, the RemoteIpValve and a RemoteAddrValve make of the same request. */
final class NetworkTest {
    /** Any address of 127/8 will do as "somebody else": it is not 127.0.0.1. */
    private static final String OTHER_PEER = "127.0.0.2";
    private static final String TRUST_LOOPBACK = "ATL_TOMCAT_PROXY_INTERNAL_IPS=127\\.0\\.0\\.\\d+";

    private static OAuthCall alice() {
        return new OAuthCall("alice");
    }

    private static void assertSignatureInvalid(Response response) {
        assertEquals(401, response.status());
        assertTrue(response.challenge().contains("signature_invalid"), response.challenge());
    }

    @Test
    void asShippedForwardedHeadersChangeNothing() throws Exception {
        try (StandIn wiki = StandIn.start()) {
            Provisioning.link(wiki, "sidecar");
            Response echo = alice().header("X-Forwarded-Proto: https", "X-Forwarded-Host: other", "X-Forwarded-Port: 1").send(wiki);
            assertEquals("alice", StandIn.user(echo));
        }
    }

    @Test
    void withATrustedPeerXForwardedProtoChangesTheBaseUrl() throws Exception {
        try (StandIn wiki = StandIn.start(TRUST_LOOPBACK)) {
            Provisioning.link(wiki, "sidecar");
            assertEquals("alice", StandIn.user(alice().send(wiki)));
            assertSignatureInvalid(alice().header("X-Forwarded-Proto: https").send(wiki));
            // The port becomes 443 and so is not in the base URL, whatever the Host header says.
            Response https = alice().signedFor("https://localhost").header("X-Forwarded-Proto: https").send(wiki);
            assertEquals("alice", StandIn.user(https));
            assertEquals("alice", StandIn.user(alice().header("X-Forwarded-Host: other", "X-Forwarded-Port: 1").send(wiki)));
        }
    }

    @Test
    void schemeProxyNameAndProxyPortMakeTheBaseUrl() throws Exception {
        try (StandIn wiki = StandIn.start("ATL_TOMCAT_SCHEME=https", "ATL_TOMCAT_SECURE=true",
                "ATL_PROXY_NAME=wiki.example.test", "ATL_PROXY_PORT=8443")) {
            Provisioning.link(wiki, "sidecar");
            assertSignatureInvalid(alice().send(wiki));
            assertEquals("alice", StandIn.user(alice().signedFor("https://wiki.example.test:8443").send(wiki)));
        }
    }

    @Test
    void aRemoteAddrValveOnThePeerRefusesEverybodyElse() throws Exception {
        Path valve = Files.createTempFile("context", ".xml");
        Files.writeString(valve, "<Context><Valve className=\"org.apache.catalina.valves.RemoteAddrValve\" usePeerAddress=\"true\""
                + " allow=\"127\\.0\\.0\\.1|::1\"/></Context>");
        try (StandIn wiki = StandIn.start(TRUST_LOOPBACK, "STANDIN_CONTEXT_XML_DEFAULT=" + valve)) {
            assertEquals(200, wiki.get("/status").status());
            RawHttp other = wiki.from(OTHER_PEER);
            assertEquals(403, other.send("GET", "/confluence/status", List.of(), null).status());
            assertEquals(403, other.send("GET", "/confluence/status", List.of("X-Forwarded-For: 127.0.0.1"), null).status());
            assertEquals(200, wiki.get("/status", "X-Forwarded-For: 10.0.0.9").status());
        }
    }

    @Test
    void aQuoteInThePortVariableBecomesAnAttribute() throws Exception {
        Path home = Files.createTempDirectory("render");
        ProcessBuilder render = new ProcessBuilder(System.getenv("STANDIN_DIST") + "/standin/render-server-xml");
        render.environment().put("ATL_TOMCAT_PORT", "18090\" address=\"127.0.0.1");
        Path xml = home.resolve("server.xml");
        assertEquals(0, render.redirectOutput(xml.toFile()).start().waitFor());
        assertTrue(Files.readString(xml).contains("<Connector port=\"18090\" address=\"127.0.0.1\""));
    }

    @Test
    void theAdditionalConnectorListensToo() throws Exception {
        int port = StandIn.freePort();
        try (StandIn wiki = StandIn.start("ATL_TOMCAT_ADDITIONAL_CONNECTOR_PORT=" + port)) {
            assertEquals(200, new RawHttp(port, OTHER_PEER).send("GET", "/confluence/status", List.of(), null).status());
        }
    }

    @Test
    void nothingAnswersOutsideTheContextPathAndBigHeadersAreRefused() throws Exception {
        try (StandIn wiki = StandIn.start("ATL_TOMCAT_MAXHTTPHEADERSIZE=8192")) {
            assertEquals(404, wiki.from("127.0.0.1").send("GET", "/status", List.of(), null).status());
            // A big header is refused by Tomcat itself, as with the image's own limit.
            assertEquals(400, wiki.get("/status", "X-Big: " + "x".repeat(9000)).status());
        }
    }
}
