package restward.standin.rest;

import java.io.IOException;
import java.util.Map;
import javax.servlet.annotation.WebServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Json;
import restward.standin.Wiki;
import restward.standin.auth.Login;
import restward.standin.state.User;

/** {@code /rest/api/user/current} and {@code /rest/api/user?username=}. */
@WebServlet({"/rest/api/user", "/rest/api/user/current"})
public final class UserServlet extends WikiServlet {
    private static final Map<String, Object> ANONYMOUS = Map.of("type", "anonymous", "displayName", "Anonymous");

    @Override
    protected void answer(Wiki wiki, HttpServletRequest request, HttpServletResponse response) throws IOException {
        if (!Access.mayRead(wiki, request, response)) {
            return;
        }
        boolean current = request.getServletPath().endsWith("/current");
        User user = current ? Login.of(request).user() : wiki.users().find(request.getParameter("username"));
        if (user != null) {
            Json.send(response, HttpServletResponse.SC_OK, describe(user));
        } else if (current) {
            Json.send(response, HttpServletResponse.SC_OK, ANONYMOUS);
        } else {
            Json.sendError(response, HttpServletResponse.SC_NOT_FOUND, "No user found with that name");
        }
    }

    private static Map<String, Object> describe(User user) {
        String key = Integer.toHexString(user.name().hashCode());
        return Map.of("type", "known", "username", user.name(), "userKey", key, "displayName", user.fullName());
    }
}
