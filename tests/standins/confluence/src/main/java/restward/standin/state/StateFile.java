package restward.standin.state;

import com.fasterxml.jackson.core.type.TypeReference;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import restward.standin.Json;

/** What a real wiki keeps in its database and must survive a restart: one JSON file for each kind of thing. */
public final class StateFile {
    private final Path folder;

    public StateFile(Path folder) throws IOException {
        this.folder = Files.createDirectories(folder);
    }

    <T> T load(String name, TypeReference<T> type, T whenAbsent) throws IOException {
        Path file = file(name);
        return Files.exists(file) ? Json.MAPPER.readValue(file.toFile(), type) : whenAbsent;
    }

    void save(String name, Object value) {
        try {
            Path next = folder.resolve(name + ".json.next");
            Json.MAPPER.writeValue(next.toFile(), value);
            Files.move(next, file(name), StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private Path file(String name) {
        return folder.resolve(name + ".json");
    }
}
