package restward.standin.ui;

import java.io.IOException;
import javax.servlet.annotation.WebServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Wiki;
import restward.standin.auth.Login;
import restward.standin.rest.WikiServlet;

/** Where plugins hang their own pages; also setup and maintenance pages, which answer without a login. */
@WebServlet({
    "/plugins/servlet/*", "/plugins/servlet/confluence/default/*", "/setup/*", "/bootstrap/*", "/johnson/*", "/jcaptcha/*"
})
public final class PluginServlet extends WikiServlet {
    @Override
    protected void answer(Wiki wiki, HttpServletRequest request, HttpServletResponse response) throws IOException {
        Login login = Login.of(request);
        String who = login.isUser() ? login.user().name() : "anonymous";
        Html.page(response, HttpServletResponse.SC_OK, "Plugin page", "<p>" + Html.escape(who) + "</p>");
    }
}
