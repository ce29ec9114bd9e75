// What Java's JsonConverter makes of JSON: reads cases on stdin, writes what it read and what it writes again.
//
// in:  name <tab> properties for reading <tab> properties for writing <tab> keep|strip <tab> message
// out: name <tab> what was read <tab> what was written
// Properties are a=b;c=d. Messages are base64, - is null. `strip` writes the value without its schema. What was read is
// spelt by spell(); a refusal, of either, is the word `error`.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.json.JsonConverter;

public final class ConnectJson {
    public static void main(String[] arguments) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] parts = line.split("\t", -1);
            out.print(parts[0] + "\t");
            SchemaAndValue read;
            try {
                read = converter(parts[1]).toConnectData("topic", bytes(parts[4]));
                out.print(spell(read.value()) + "\t");
            } catch (RuntimeException error) {
                out.print("error\terror\n");
                continue;
            }
            try {
                Schema schema = parts[3].equals("strip") ? null : read.schema();
                byte[] written = converter(parts[2]).fromConnectData("topic", schema, read.value());
                out.print((written == null ? "-" : Base64.getEncoder().encodeToString(written)) + "\n");
            } catch (RuntimeException error) {
                out.print("error\n");
            }
        }
        out.flush();
    }

    private static JsonConverter converter(String properties) {
        Map<String, String> map = new HashMap<>();
        for (String property : properties.split(";")) {
            int at = property.indexOf('=');
            if (at > 0) map.put(property.substring(0, at), property.substring(at + 1));
        }
        JsonConverter converter = new JsonConverter();
        converter.configure(map, false);
        return converter;
    }

    private static byte[] bytes(String text) {
        return text.equals("-") ? null : Base64.getDecoder().decode(text);
    }

    /** A value with its type, in one line; the entries of a map are sorted. */
    private static String spell(Object value) {
        if (value == null) return "null";
        if (value instanceof Boolean) return value.toString();
        if (value instanceof Byte) return "i8:" + value;
        if (value instanceof Short) return "i16:" + value;
        if (value instanceof Integer) return "i32:" + value;
        if (value instanceof Long) return "i64:" + value;
        if (value instanceof Float) return "f32:" + Integer.toHexString(Float.floatToIntBits((Float) value));
        if (value instanceof Double) return "f64:" + Long.toHexString(Double.doubleToLongBits((Double) value));
        if (value instanceof String) return "s:" + encode(((String) value).getBytes(StandardCharsets.UTF_8));
        if (value instanceof byte[]) return "b:" + encode((byte[]) value);
        if (value instanceof ByteBuffer) return "b:" + encode(((ByteBuffer) value).array());
        if (value instanceof BigDecimal) return "d:" + ((BigDecimal) value).unscaledValue() + "/" + ((BigDecimal) value).scale();
        if (value instanceof java.util.Date) return "t:" + ((java.util.Date) value).getTime();
        List<String> parts = new ArrayList<>();
        if (value instanceof List) {
            for (Object item : (List<?>) value) parts.add(spell(item));
            return "[" + String.join(",", parts) + "]";
        }
        if (value instanceof Map) {
            for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) parts.add(spell(entry.getKey()) + "=" + spell(entry.getValue()));
            Collections.sort(parts);
            return "{" + String.join(",", parts) + "}";
        }
        Struct struct = (Struct) value;
        for (Field field : struct.schema().fields()) parts.add(encode(field.name().getBytes(StandardCharsets.UTF_8)) + "=" + spell(struct.getWithoutDefault(field.name())));
        return "(" + String.join(",", parts) + ")";
    }

    private static String encode(byte[] bytes) {
        return Base64.getEncoder().encodeToString(bytes);
    }
}
