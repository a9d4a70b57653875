package restward.standin.auth;

import java.io.IOException;
import javax.servlet.FilterChain;
import javax.servlet.ServletException;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Wiki;
import restward.standin.state.User;

/**
 * What a subclass of Seraph's authenticator does that believes a header: whoever is named is logged in, without a password
 * and into a session, before any session or password is looked at. An unknown name is anonymous. Stock Confluence has none,
 * so this does nothing unless a header was configured.
 */
public final class HeaderAuthenticatorFilter extends WikiFilter {
    @Override
    protected void filter(Wiki wiki, HttpServletRequest request, HttpServletResponse response, FilterChain chain)
            throws IOException, ServletException {
        String header = wiki.settings().believedHeader();
        String name = header == null ? null : request.getHeader(header);
        if (name != null && !Login.isDecided(request)) {
            logIn(request, wiki.users().find(name)).decide(request);
        }
        chain.doFilter(request, response);
    }

    private static Login logIn(HttpServletRequest request, User user) {
        if (user == null || user.disabled()) {
            return Login.ANONYMOUS;
        }
        Sessions.logIn(request, user);
        return new Login(Login.Kind.HEADER, user);
    }
}
