package restward.standin.auth;

import java.io.IOException;
import javax.servlet.FilterChain;
import javax.servlet.ServletException;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Wiki;
import restward.standin.state.Passwords.Reason;
import restward.standin.state.User;

/** {@code os_username} and {@code os_password} in the query or the form; a failure goes on, named in a header. */
public final class LoginParametersFilter extends WikiFilter {
    static final String LOGIN_REASON = "X-Seraph-LoginReason";

    @Override
    protected void filter(Wiki wiki, HttpServletRequest request, HttpServletResponse response, FilterChain chain)
            throws IOException, ServletException {
        String name = request.getParameter("os_username");
        String password = request.getParameter("os_password");
        if (!Login.isDecided(request) && name != null && password != null && takenHere(wiki, request)) {
            Reason reason = wiki.passwords().check(name, password);
            response.setHeader(LOGIN_REASON, reason.name());
            if (reason == Reason.OK) {
                User user = wiki.users().find(name);
                Sessions.logIn(request, user);
                if (request.getParameter("os_cookie") != null) {
                    response.addCookie(wiki.rememberMe().issue(user, request.getContextPath()));
                }
                new Login(Login.Kind.PARAMETERS, user).decide(request);
            }
        }
        chain.doFilter(request, response);
    }

    private static boolean takenHere(Wiki wiki, HttpServletRequest request) {
        return wiki.settings().passwordParametersAnywhere()
                || (request.getMethod().equals("POST") && path(request).equals("/dologin.action"));
    }
}
