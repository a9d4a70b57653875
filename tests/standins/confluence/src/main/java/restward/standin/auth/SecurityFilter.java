package restward.standin.auth;

import java.io.IOException;
import javax.servlet.FilterChain;
import javax.servlet.ServletException;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Wiki;
import restward.standin.state.User;

/** Falls back on session and remember-me cookie, enforces {@code os_authType}, and names the user in X-AUSERNAME. */
public final class SecurityFilter extends WikiFilter {
    static final String BASIC_CHALLENGE = "Basic realm=\"protected-area\"";

    @Override
    protected void filter(Wiki wiki, HttpServletRequest request, HttpServletResponse response, FilterChain chain)
            throws IOException, ServletException {
        if (!Login.isDecided(request)) {
            fromCookies(wiki, request).decide(request);
        }
        Login login = Login.of(request);
        if (!login.isUser() && refusesAnonymous(request, response)) {
            return;
        }
        if (login.isUser() && namesTheUser(path(request))) {
            // Raw, and before the request is handled; Tomcat writes Latin-1 and drops what does not fit into it.
            response.setHeader("X-AUSERNAME", login.user().name());
        }
        chain.doFilter(new AuthenticatedRequest(request, login), response);
    }

    private static Login fromCookies(Wiki wiki, HttpServletRequest request) {
        User inSession = Sessions.userOf(wiki, request);
        if (inSession != null) {
            return new Login(Login.Kind.SESSION, inSession);
        }
        User remembered = wiki.users().find(wiki.rememberMe().userOf(request));
        if (remembered != null) {
            Sessions.logIn(request, remembered);
            return new Login(Login.Kind.REMEMBER_ME, remembered);
        }
        return Login.ANONYMOUS;
    }

    /** Sends the 401 that the client asked for by {@code os_authType}, if it asked for one. */
    private static boolean refusesAnonymous(HttpServletRequest request, HttpServletResponse response)
            throws IOException {
        String authType = request.getParameter("os_authType");
        boolean refuses = switch (authType == null ? "none" : authType) {
            case "basic", "cookie" -> true;
            case "any" -> request.getRequestedSessionId() != null && !request.isRequestedSessionIdValid();
            default -> false;
        };
        if (refuses) {
            if ("basic".equals(authType)) {
                response.addHeader("WWW-Authenticate", BASIC_CHALLENGE);
            }
            response.sendError(HttpServletResponse.SC_UNAUTHORIZED);
        }
        return refuses;
    }

    private static boolean namesTheUser(String path) {
        return !path.startsWith("/s/")
                && !path.matches("/download/(resources|sources|contextbatch|batch).*");
    }
}
