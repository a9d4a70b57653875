package restward.standin.state;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The user directory. Names are found without regard to case, as Confluence's (Crowd's) directory does. */
public final class Users {
    private final Map<String, User> byLowerName = new LinkedHashMap<>();

    private Users(BufferedReader lines) throws IOException {
        for (String line; (line = lines.readLine()) != null; ) {
            if (!line.isBlank() && !line.startsWith("#")) {
                User user = parse(line);
                byLowerName.put(lower(user.name()), user);
            }
        }
    }

    /** The users that come with the stand-in (users.tsv). */
    public static Users shipped() throws IOException {
        var file = Users.class.getResourceAsStream("/users.tsv");
        try (var lines = new BufferedReader(new InputStreamReader(file, StandardCharsets.UTF_8))) {
            return new Users(lines);
        }
    }

    public static Users read(Path file) throws IOException {
        try (var lines = Files.newBufferedReader(file)) {
            return new Users(lines);
        }
    }

    /** The user of that name, or null. */
    public User find(String name) {
        return name == null ? null : byLowerName.get(lower(name));
    }

    private static String lower(String name) {
        return name.toLowerCase(Locale.ENGLISH);
    }

    private static User parse(String line) {
        String[] fields = line.split("\t", -1);
        if (fields.length != 4) {
            throw new IllegalArgumentException("users file: want name<TAB>password<TAB>full name<TAB>flags: " + line);
        }
        List<String> flags = List.of(fields[3].split(","));
        return new User(fields[0], fields[1], fields[2], flags.contains("sysadmin"), flags.contains("disabled"));
    }
}
