package restage;

import java.util.Collection;
import java.util.Map;
import java.util.stream.Collectors;

/** Writes maps, lists, text, numbers and booleans as JSON. The SDK's own writer is not made for others. */
final class Json {
  private Json() {}

  static String write(Object value) {
    if (value instanceof Map<?, ?> map) {
      return map.entrySet().stream()
          .map(entry -> quoted(String.valueOf(entry.getKey())) + ":" + write(entry.getValue()))
          .collect(Collectors.joining(",", "{", "}"));
    }
    if (value instanceof Collection<?> list) {
      return list.stream().map(Json::write).collect(Collectors.joining(",", "[", "]"));
    }
    if (value == null || value instanceof Number || value instanceof Boolean) {
      return String.valueOf(value);
    }
    return quoted(value.toString());
  }

  private static String quoted(String text) {
    var escaped = new StringBuilder("\"");
    for (var at = 0; at < text.length(); at++) {
      var character = text.charAt(at);
      if (character == '"' || character == '\\' || character < ' ' || character > '~') {
        escaped.append(String.format("\\u%04x", (int) character));
      } else {
        escaped.append(character);
      }
    }
    return escaped.append('"').toString();
  }
}
