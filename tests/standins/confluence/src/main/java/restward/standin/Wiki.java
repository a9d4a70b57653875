package restward.standin;

import java.io.IOException;
import java.io.UncheckedIOException;
import javax.servlet.ServletContext;
import javax.servlet.ServletContextEvent;
import javax.servlet.ServletContextListener;
import javax.servlet.annotation.WebListener;
import restward.standin.probe.RequestLog;
import restward.standin.state.AccessTokens;
import restward.standin.state.ApplicationLinks;
import restward.standin.state.BasicBan;
import restward.standin.state.Contents;
import restward.standin.state.OAuth2Tokens;
import restward.standin.state.Passwords;
import restward.standin.state.RememberMe;
import restward.standin.state.StateFile;
import restward.standin.state.Users;

/** Everything the running wiki knows, made once when Tomcat starts the application. */
public record Wiki(
        Settings settings,
        Users users,
        Passwords passwords,
        AccessTokens accessTokens,
        OAuth2Tokens oauth2Tokens,
        ApplicationLinks links,
        BasicBan basicBan,
        RememberMe rememberMe,
        Contents contents,
        RequestLog requestLog) {

    private static final String ATTRIBUTE = Wiki.class.getName();

    public static Wiki of(ServletContext context) {
        return (Wiki) context.getAttribute(ATTRIBUTE);
    }

    static Wiki open(Settings settings) throws IOException {
        Users users = settings.usersFile() == null ? Users.shipped() : Users.read(settings.usersFile());
        StateFile state = new StateFile(settings.database());
        return new Wiki(
                settings,
                users,
                new Passwords(users, settings.captchaAfter()),
                new AccessTokens(state, settings.adminPat()),
                new OAuth2Tokens(settings.oauth2Key()),
                new ApplicationLinks(state),
                new BasicBan(),
                new RememberMe(),
                new Contents(settings.database().resolve("attachments")),
                new RequestLog());
    }

    /** Puts the wiki where filters and servlets find it. */
    @WebListener
    public static final class Opener implements ServletContextListener {
        @Override
        public void contextInitialized(ServletContextEvent event) {
            try {
                Wiki wiki = open(Settings.fromEnvironment(System.getenv()));
                event.getServletContext().setAttribute(ATTRIBUTE, wiki);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
