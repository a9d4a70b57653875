package restward.standin.auth;

import java.io.IOException;
import java.net.URISyntaxException;
import java.util.regex.Pattern;
import javax.servlet.FilterChain;
import javax.servlet.ServletException;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import net.oauth.OAuthException;
import net.oauth.OAuthMessage;
import net.oauth.OAuthProblemException;
import net.oauth.server.OAuthServlet;
import restward.standin.Wiki;

/** OAuth 1.0a requests of application links; everything else passes with its 401s made to carry a challenge. */
public final class OAuth1Filter extends WikiFilter {
    /** WebDAV clients of macOS and Windows are not looked at: a signed request of theirs is anonymous. */
    private static final Pattern SKIPPED_USER_AGENT =
            Pattern.compile("WebDAVFS|WebDAVLib|Microsoft Data Access Internet Publishing Provider|Microsoft-WebDAV-MiniRedir");

    private final TwoLeggedOAuth twoLegged = new TwoLeggedOAuth();

    @Override
    protected void filter(Wiki wiki, HttpServletRequest request, HttpServletResponse response, FilterChain chain)
            throws IOException, ServletException {
        String userAgent = request.getHeader("User-Agent");
        if (userAgent != null && SKIPPED_USER_AGENT.matcher(userAgent).find()) {
            chain.doFilter(request, response);
            return;
        }
        String realm = wiki.settings().baseUrl();
        var challenging = new OAuthChallengeResponse(response, realm);
        OAuthMessage message = OAuthServlet.getMessage(request, request.getRequestURL().toString());
        if (!TwoLeggedOAuth.isComplete(message) || path(request).endsWith("/plugins/servlet/oauth/request-token")) {
            chain.doFilter(request, challenging);
            return;
        }
        try {
            twoLegged.authenticate(wiki, request, message).decide(request);
        } catch (OAuthProblemException problem) {
            OAuthServlet.handleException(response, problem, realm);
            return;
        } catch (OAuthException | URISyntaxException e) {
            throw new ServletException(e);
        }
        try {
            chain.doFilter(request, challenging);
        } finally {
            invalidateSession(request);
        }
    }
}
