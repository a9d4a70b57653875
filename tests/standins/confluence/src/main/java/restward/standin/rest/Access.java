package restward.standin.rest;

import java.io.IOException;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Json;
import restward.standin.Wiki;
import restward.standin.auth.Login;

/** Who may call a REST resource. Each check sends the refusal itself and says whether to go on. */
final class Access {
    private Access() {}

    /** Users, and on a public wiki everybody; else 403, as Confluence's content resources answer. */
    static boolean mayRead(Wiki wiki, HttpServletRequest request, HttpServletResponse response) throws IOException {
        if (Login.of(request).isUser() || wiki.settings().anonymousAccess()) {
            return true;
        }
        Json.sendError(response, HttpServletResponse.SC_FORBIDDEN, "Not permitted to use Confluence");
        return false;
    }

    static boolean isUser(HttpServletRequest request, HttpServletResponse response) throws IOException {
        if (Login.of(request).isUser()) {
            return true;
        }
        Json.sendError(response, HttpServletResponse.SC_UNAUTHORIZED, "Client must be authenticated to access this resource.");
        return false;
    }

    /** A system administrator who came in a way that WebSudo lets through: by token, not by password or session. */
    static boolean isSystemAdministrator(HttpServletRequest request, HttpServletResponse response) throws IOException {
        if (!isUser(request, response)) {
            return false;
        }
        Login login = Login.of(request);
        if (!login.user().systemAdministrator()) {
            Json.sendError(response, HttpServletResponse.SC_FORBIDDEN, "Client must be authenticated as a system administrator.");
            return false;
        }
        if (!login.kind().bypassesWebSudo() || Wiki.of(request.getServletContext()).settings().webSudoForTokens()) {
            Json.sendError(response, HttpServletResponse.SC_UNAUTHORIZED, "This resource requires WebSudo.");
            return false;
        }
        return true;
    }
}
