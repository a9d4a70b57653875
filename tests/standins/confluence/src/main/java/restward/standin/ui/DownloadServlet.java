package restward.standin.ui;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import javax.servlet.annotation.WebServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import restward.standin.Wiki;
import restward.standin.auth.Login;
import restward.standin.rest.WikiServlet;

/** Attachments, streamed; and files of any size made of nothing: {@code /download/attachments/zeros/<bytes>}. */
@WebServlet("/download/*")
public final class DownloadServlet extends WikiServlet {
    private static final int CHUNK = 64 * 1024;

    @Override
    protected void answer(Wiki wiki, HttpServletRequest request, HttpServletResponse response) throws IOException {
        String[] path = segments(request);
        if (path.length > 0 && !path[0].equals("attachments")) {
            response.setContentType("text/css");
            response.getWriter().write("/* a static resource */\n");
        } else if (!Login.of(request).isUser() && !wiki.settings().anonymousAccess()) {
            response.sendRedirect(request.getContextPath() + "/login.action?permissionViolation=true");
        } else if (path.length == 3 && path[1].equals("zeros") && path[2].matches("\\d{1,12}")) {
            sendZeros(response, Long.parseLong(path[2]));
        } else if (path.length == 3) {
            sendFile(response, wiki.contents().attachment(path[1], path[2]));
        } else {
            response.sendError(HttpServletResponse.SC_NOT_FOUND);
        }
    }

    private static void sendFile(HttpServletResponse response, Path file) throws IOException {
        if (!Files.isRegularFile(file)) {
            response.sendError(HttpServletResponse.SC_NOT_FOUND);
            return;
        }
        response.setContentType("application/octet-stream");
        response.setContentLengthLong(Files.size(file));
        Files.copy(file, response.getOutputStream());
    }

    private static void sendZeros(HttpServletResponse response, long size) throws IOException {
        response.setContentType("application/octet-stream");
        response.setContentLengthLong(size);
        byte[] chunk = new byte[CHUNK];
        Arrays.fill(chunk, (byte) '0');
        for (long left = size; left > 0; left -= CHUNK) {
            response.getOutputStream().write(chunk, 0, (int) Math.min(left, CHUNK));
        }
    }
}
