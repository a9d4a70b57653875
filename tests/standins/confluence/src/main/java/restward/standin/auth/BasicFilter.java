package restward.standin.auth;

import java.io.IOException;
import javax.servlet.FilterChain;
import javax.servlet.ServletException;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Wiki;
import restward.standin.state.Passwords.Reason;
import restward.standin.state.User;

/** {@code Authorization: Basic}; wrong is 401, right opens a session. */
public final class BasicFilter extends WikiFilter {
    @Override
    protected void filter(Wiki wiki, HttpServletRequest request, HttpServletResponse response, FilterChain chain)
            throws IOException, ServletException {
        if (Login.isDecided(request) || !BasicCredentials.present(request)) {
            chain.doFilter(request, response);
            return;
        }
        BasicCredentials credentials = BasicCredentials.of(request);
        Reason reason = wiki.passwords().check(credentials.name(), credentials.password());
        response.setHeader(LoginParametersFilter.LOGIN_REASON, reason.name());
        if (reason != Reason.OK) {
            response.addHeader("WWW-Authenticate", SecurityFilter.BASIC_CHALLENGE);
            response.sendError(
                    HttpServletResponse.SC_UNAUTHORIZED, "Basic Authentication Failure - Reason : " + reason.name());
            return;
        }
        User user = wiki.users().find(credentials.name());
        Sessions.logIn(request, user);
        new Login(Login.Kind.BASIC, user).decide(request);
        chain.doFilter(request, response);
    }
}
