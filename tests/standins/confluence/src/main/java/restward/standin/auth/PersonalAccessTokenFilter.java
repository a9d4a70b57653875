package restward.standin.auth;

import java.io.IOException;
import java.util.regex.Pattern;
import javax.servlet.FilterChain;
import javax.servlet.ServletException;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Wiki;
import restward.standin.state.User;

/** {@code Authorization: Bearer <44 base64 characters>}. A wrong token goes on as anonymous (CONFSERVER-98199). */
public final class PersonalAccessTokenFilter extends WikiFilter {
    private static final Pattern HEADER = Pattern.compile("Bearer ([A-Za-z0-9+/=]{44})");

    @Override
    protected void filter(Wiki wiki, HttpServletRequest request, HttpServletResponse response, FilterChain chain)
            throws IOException, ServletException {
        String header = request.getHeader("Authorization");
        var match = HEADER.matcher(header == null ? "" : header);
        User user = match.matches() ? wiki.users().find(wiki.accessTokens().ownerOf(match.group(1))) : null;
        if (user == null || user.disabled()) {
            chain.doFilter(request, response);
            return;
        }
        invalidateSession(request);
        new Login(Login.Kind.PERSONAL_ACCESS_TOKEN, user).decide(request);
        chain.doFilter(request, response);
    }
}
