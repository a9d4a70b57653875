package restward.standin;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import restward.standin.RawHttp.Response;

/** An authenticator that believes one header, and the stock one, which believes none. */
final class HeaderTest {
    private static final String ECHO = "/rest/standin/1.0/echo";
    private static final String HEADER = "X-Forwarded-User: ";
    private static StandIn stock;
    private static StandIn believing;

    @BeforeAll
    static void start() throws Exception {
        stock = StandIn.start("STANDIN_ANONYMOUS=true");
        believing = StandIn.start("STANDIN_ANONYMOUS=true", "STANDIN_BELIEVED_HEADER=X-Forwarded-User");
    }

    @AfterAll
    static void stop() throws Exception {
        stock.close();
        believing.close();
    }

    @Test
    void stockConfluenceBelievesNoHeader() throws Exception {
        for (String name : new String[] {HEADER, "REMOTE_USER: ", "Remote-User: ", "X-AUSERNAME: "}) {
            assertNull(StandIn.user(stock.get(ECHO, name + "alice")), name);
        }
        assertEquals("bob", StandIn.user(stock.get(ECHO, HEADER + "alice", StandIn.basic("bob", "bob-password"))));
    }

    @Test
    void theHeaderIsALoginWithoutAPassword() throws Exception {
        Response echo = believing.get(ECHO, HEADER + "Alice");
        assertEquals("alice", StandIn.user(echo));
        assertEquals("header", echo.json().get("authentication"));
        assertEquals("alice", echo.header("X-AUSERNAME"));
        assertEquals("alice", believing.get("/display/DS/Home", "x-forwarded-user: alice").header("X-AUSERNAME"));
        String cookie = "Cookie: " + echo.header("Set-Cookie").split(";")[0];
        assertEquals("session", believing.get(ECHO, cookie).json().get("authentication"));
    }

    @Test
    void itGoesBeforeSessionAndPassword() throws Exception {
        String bob = StandIn.basic("bob", "bob-password");
        assertEquals("alice", StandIn.user(believing.get(ECHO, HEADER + "alice", bob)));
        String cookie = "Cookie: " + believing.get(ECHO, bob).header("Set-Cookie").split(";")[0];
        assertEquals("alice", StandIn.user(believing.get(ECHO, HEADER + "alice", cookie)));
        assertEquals("bob", StandIn.user(believing.get(ECHO, bob)));
    }

    @Test
    void whoIsUnknownOrDisabledIsAnonymous() throws Exception {
        for (String name : new String[] {"mallory", "dora", ""}) {
            assertNull(StandIn.user(believing.get(ECHO, HEADER + name)), name);
        }
        assertNull(StandIn.user(believing.get(ECHO)));
    }

    /** Tomcat reads Latin-1: the UTF-8 bytes of a name are another name. */
    @Test
    void onlyAsciiArrivesAsItWasMeant() throws Exception {
        assertNull(StandIn.user(believing.get(ECHO, HEADER + "jürgen")));
    }

    @Test
    void theFirstOfTwoIsBelievedAndOtherSpellingsAreOtherHeaders() throws Exception {
        assertEquals("alice", StandIn.user(believing.get(ECHO, HEADER + "alice", HEADER + "admin")));
        for (String name : new String[] {"X_Forwarded_User: ", "X.Forwarded.User: "}) {
            assertNull(StandIn.user(believing.get(ECHO, name + "alice")), name);
        }
    }
}
