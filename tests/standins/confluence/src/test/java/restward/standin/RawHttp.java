package restward.standin;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** One HTTP request over one socket, byte for byte as the test wrote it: no client library rewrites or refuses any of it. */
final class RawHttp {
    record Response(int status, List<Map.Entry<String, String>> headers, String body) {
        String header(String name) {
            return headers(name).stream().findFirst().orElse(null);
        }

        List<String> headers(String name) {
            return headers.stream().filter(h -> h.getKey().equalsIgnoreCase(name)).map(Map.Entry::getValue).toList();
        }

        String challenge() {
            return String.join(" | ", headers("WWW-Authenticate"));
        }

        @SuppressWarnings("unchecked")
        Map<String, Object> json() throws IOException {
            return Json.MAPPER.readValue(body, Map.class);
        }
    }

    private final int port;
    private final String from;

    RawHttp(int port, String from) {
        this.port = port;
        this.from = from;
    }

    Response send(String method, String target, List<String> headers, String body) throws IOException {
        byte[] payload = body == null ? new byte[0] : body.getBytes(StandardCharsets.UTF_8);
        StringBuilder head = new StringBuilder(method + " " + target + " HTTP/1.1\r\n");
        if (headers.stream().noneMatch(header -> header.startsWith("Host:"))) {
            head.append("Host: localhost:").append(port).append("\r\n");
        }
        headers.forEach(header -> head.append(header).append("\r\n"));
        if (body != null) {
            head.append("Content-Length: ").append(payload.length).append("\r\n");
        }
        head.append("Connection: close\r\n\r\n");
        try (Socket socket = new Socket()) {
            socket.setSoTimeout(30_000);
            socket.bind(new InetSocketAddress(InetAddress.getByName(from), 0));
            socket.connect(new InetSocketAddress(from, port));
            socket.getOutputStream().write(head.toString().getBytes(StandardCharsets.UTF_8));
            socket.getOutputStream().write(payload);
            return parse(socket.getInputStream().readAllBytes());
        }
    }

    /** Headers are Latin-1 on the wire; the body is read as UTF-8, de-chunked if need be. */
    private static Response parse(byte[] bytes) {
        String latin1 = new String(bytes, StandardCharsets.ISO_8859_1);
        int end = latin1.indexOf("\r\n\r\n");
        String[] lines = latin1.substring(0, end).split("\r\n");
        List<Map.Entry<String, String>> headers = new ArrayList<>();
        for (int i = 1; i < lines.length; i++) {
            int colon = lines[i].indexOf(':');
            headers.add(Map.entry(lines[i].substring(0, colon), lines[i].substring(colon + 1).trim()));
        }
        String body = latin1.substring(end + 4);
        boolean chunked = headers.stream().anyMatch(h -> h.getKey().equalsIgnoreCase("Transfer-Encoding"));
        String content = chunked ? join(body) : body;
        String text = new String(content.getBytes(StandardCharsets.ISO_8859_1), StandardCharsets.UTF_8);
        return new Response(Integer.parseInt(lines[0].split(" ")[1]), headers, text);
    }

    private static String join(String chunks) {
        StringBuilder content = new StringBuilder();
        int at = 0;
        while (true) {
            int line = chunks.indexOf("\r\n", at);
            int size = Integer.parseInt(chunks.substring(at, line).trim(), 16);
            if (size == 0) {
                return content.toString();
            }
            content.append(chunks, line + 2, line + 2 + size);
            at = line + 2 + size + 2;
        }
    }
}
