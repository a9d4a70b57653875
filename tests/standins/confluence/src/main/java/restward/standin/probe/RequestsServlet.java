package restward.standin.probe;

import java.io.IOException;
import java.net.InetAddress;
import java.time.Duration;
import java.util.Map;
import javax.servlet.annotation.WebServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Json;
import restward.standin.Wiki;
import restward.standin.auth.Login;
import restward.standin.rest.WikiServlet;

/** Test only: the request log, for callers on this machine and for administrators. {@code ?after=N} skips old ones. */
@WebServlet(RequestsServlet.PATH)
public final class RequestsServlet extends WikiServlet {
    /** For requests that others have under way and that take longer, such as large bodies. */
    private static final Duration PATIENCE = Duration.ofSeconds(2);
    static final String PATH = "/rest/standin/1.0/requests";

    @Override
    protected void answer(Wiki wiki, HttpServletRequest request, HttpServletResponse response) throws IOException {
        Login login = Login.of(request);
        boolean administrator = login.isUser() && login.user().systemAdministrator();
        if (!administrator && !InetAddress.getByName(request.getRemoteAddr()).isLoopbackAddress()) {
            response.sendError(HttpServletResponse.SC_FORBIDDEN);
            return;
        }
        try {
            wiki.requestLog().settle(PATIENCE);
        } catch (InterruptedException stopping) {
            Thread.currentThread().interrupt();
        }
        String after = request.getParameter("after");
        long number = after != null && after.matches("\\d{1,18}") ? Long.parseLong(after) : 0;
        Json.send(response, HttpServletResponse.SC_OK,
                Map.of("count", wiki.requestLog().count(), "requests", wiki.requestLog().after(number)));
    }
}
