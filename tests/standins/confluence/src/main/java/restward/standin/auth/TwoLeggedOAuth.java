package restward.standin.auth;

import java.io.IOException;
import java.net.URISyntaxException;
import java.util.List;
import javax.servlet.http.HttpServletRequest;
import net.oauth.OAuth;
import net.oauth.OAuthAccessor;
import net.oauth.OAuthConsumer;
import net.oauth.OAuthException;
import net.oauth.OAuthMessage;
import net.oauth.OAuthProblemException;
import net.oauth.OAuthValidator;
import net.oauth.SimpleOAuthValidator;
import net.oauth.signature.RSA_SHA1;
import restward.standin.Wiki;
import restward.standin.state.ApplicationLinks.Link;
import restward.standin.state.ApplicationLinks.OAuthStatus;
import restward.standin.state.User;

/** Two-legged OAuth 1.0a, with or without impersonation. The library decides on signature, time, nonce and version. */
final class TwoLeggedOAuth {
    private static final List<String> REQUIRED = List.of(
            OAuth.OAUTH_CONSUMER_KEY, OAuth.OAUTH_TOKEN, OAuth.OAUTH_SIGNATURE_METHOD,
            OAuth.OAUTH_SIGNATURE, OAuth.OAUTH_TIMESTAMP, OAuth.OAUTH_NONCE);
    private static final long WINDOW_MILLISECONDS = 300_000;
    private static final double MAX_VERSION = 1.0;

    /** Remembers the nonces it saw, in memory, like one node of Confluence. */
    private final OAuthValidator validator = new SimpleOAuthValidator(WINDOW_MILLISECONDS, MAX_VERSION);

    /** All six parameters are there. Fewer, and Confluence does not take the request for OAuth at all. */
    static boolean isComplete(OAuthMessage message) throws IOException {
        for (String name : REQUIRED) {
            if (message.getParameter(name) == null) {
                return false;
            }
        }
        return true;
    }

    Login authenticate(Wiki wiki, HttpServletRequest request, OAuthMessage message)
            throws IOException, OAuthException, URISyntaxException {
        if (!message.getToken().isEmpty()) {
            // Only the empty token is two-legged; the stand-in gives out no three-legged tokens.
            throw new OAuthProblemException(OAuth.Problems.TOKEN_REJECTED);
        }
        Link link = wiki.links().findByConsumerKey(message.getConsumerKey());
        if (link == null) {
            throw new OAuthProblemException(OAuth.Problems.CONSUMER_KEY_UNKNOWN);
        }
        if (!OAuth.RSA_SHA1.equals(message.getSignatureMethod())) {
            throw new OAuthProblemException(OAuth.Problems.SIGNATURE_METHOD_REJECTED);
        }
        validator.validateMessage(message, accessor(link));
        return loginOf(wiki, link.incoming(), requestorId(request));
    }

    private static OAuthAccessor accessor(Link link) {
        var consumer = new OAuthConsumer(null, link.consumer().key(), null, null);
        consumer.setProperty(RSA_SHA1.PUBLIC_KEY, link.consumer().publicKey());
        return new OAuthAccessor(consumer);
    }

    /** A parameter of query or form, never a header. Of several the first one counts. */
    private static String requestorId(HttpServletRequest request) {
        String id = request.getParameter("xoauth_requestor_id");
        return id != null ? id : request.getParameter("user_id");
    }

    private static Login loginOf(Wiki wiki, OAuthStatus incoming, String requestor) throws OAuthProblemException {
        boolean impersonates = requestor != null && !requestor.isEmpty();
        boolean allowed = impersonates ? incoming.twoLoImpersonationEnabled() : incoming.twoLoEnabled();
        if (!incoming.enabled() || !allowed) {
            throw new OAuthProblemException(OAuth.Problems.PERMISSION_DENIED);
        }
        if (!impersonates) {
            return new Login(Login.Kind.OAUTH1_TWO_LEGGED, null);
        }
        User user = wiki.users().find(requestor);
        if (user != null && user.disabled()) {
            throw new OAuthProblemException(OAuth.Problems.PERMISSION_DENIED);
        }
        // An unknown user is no error to Confluence: the request goes on as anonymous.
        return new Login(Login.Kind.OAUTH1_IMPERSONATION, user);
    }
}
