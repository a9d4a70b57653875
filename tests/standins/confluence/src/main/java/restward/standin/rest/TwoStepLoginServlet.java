package restward.standin.rest;

import java.io.IOException;
import java.util.Map;
import javax.servlet.annotation.WebServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Json;
import restward.standin.Wiki;
import restward.standin.auth.Sessions;
import restward.standin.state.Passwords.Reason;

/** How the login page of newer versions sends the password: JSON, answered with a session. */
@WebServlet("/rest/tsv/1.0/authenticate")
public final class TwoStepLoginServlet extends WikiServlet {
    @Override
    protected void answer(Wiki wiki, HttpServletRequest request, HttpServletResponse response) throws IOException {
        if (!request.getMethod().equals("POST")) {
            methodNotAllowed(response);
            return;
        }
        Map<String, Object> body = Json.read(request, response);
        if (body == null) {
            return;
        }
        String name = Json.text(body, "username");
        Reason reason = wiki.passwords().check(name, Json.text(body, "password"));
        if (reason != Reason.OK) {
            Json.send(response, HttpServletResponse.SC_UNAUTHORIZED, Map.of("status", reason.name()));
            return;
        }
        Sessions.logIn(request, wiki.users().find(name));
        Json.send(response, HttpServletResponse.SC_OK, Map.of("status", reason.name()));
    }
}
