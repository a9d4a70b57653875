package restward.standin.ui;

import java.io.IOException;
import javax.servlet.annotation.WebServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Wiki;
import restward.standin.auth.Login;
import restward.standin.auth.Sessions;
import restward.standin.rest.WikiServlet;

/** The login form, what it posts to, and logout. The password itself was judged by the filter before. */
@WebServlet({"/login.action", "/dologin.action", "/logout.action"})
public final class LoginServlet extends WikiServlet {
    private static final String FORM = """
            <form method="post" action="%s/dologin.action">
            <input name="os_username"><input name="os_password" type="password">
            <input name="os_cookie" type="checkbox" value="true">
            <input name="os_destination" type="hidden" value="%s"><input type="submit" name="login" value="Log in">
            </form>""";

    @Override
    protected void answer(Wiki wiki, HttpServletRequest request, HttpServletResponse response) throws IOException {
        String path = request.getServletPath();
        String context = request.getContextPath();
        if (path.equals("/logout.action")) {
            Sessions.logOut(request);
            response.sendRedirect(context + "/login.action?logout=true");
        } else if (path.equals("/dologin.action") && Login.of(request).isUser()) {
            response.sendRedirect(context + destination(request));
        } else {
            Html.page(response, HttpServletResponse.SC_OK, "Log in", FORM.formatted(context, Html.escape(destination(request))));
        }
    }

    /** Only a path inside the wiki, so that a login cannot lead elsewhere. */
    private static String destination(HttpServletRequest request) {
        String wanted = request.getParameter("os_destination");
        return wanted != null && wanted.startsWith("/") && !wanted.startsWith("//") ? wanted : "/index.action";
    }
}
