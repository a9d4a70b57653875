package restward.standin.auth;

import java.io.IOException;
import javax.servlet.FilterChain;
import javax.servlet.ServletException;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Wiki;
import restward.standin.state.User;

/**
 * Tokens of Confluence's own OAuth 2 provider, as Bearer (scheme in exactly this case) or as the password of Basic.
 * A wrong or expired one goes on as anonymous.
 */
public final class OAuth2Filter extends WikiFilter {
    private static final String SCHEME = "Bearer ";

    @Override
    protected void filter(Wiki wiki, HttpServletRequest request, HttpServletResponse response, FilterChain chain)
            throws IOException, ServletException {
        User user = Login.isDecided(request) ? null : userOf(wiki, request);
        if (user != null && !user.disabled()) {
            invalidateSession(request);
            new Login(Login.Kind.OAUTH2, user).decide(request);
        }
        chain.doFilter(request, response);
    }

    private static User userOf(Wiki wiki, HttpServletRequest request) {
        String header = request.getHeader("Authorization");
        String token = null;
        if (header != null && header.startsWith(SCHEME)) {
            token = header.substring(SCHEME.length());
        } else if (BasicCredentials.present(request)) {
            token = BasicCredentials.of(request).password();
        }
        return token == null ? null : wiki.users().find(wiki.oauth2Tokens().ownerOf(token));
    }
}
