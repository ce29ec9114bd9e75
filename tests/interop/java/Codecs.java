// Prints what Kafka's serializers write, one value a line: codec, value, bytes in hex; client/tests/golden/codecs.tsv is its output.
import java.util.*;
import org.apache.kafka.common.serialization.*;
public class Codecs {
  static String hex(byte[] b) { if (b == null) return "null"; StringBuilder s = new StringBuilder(); for (byte x : b) s.append(String.format("%02x", x)); return s.toString(); }
  static <T> void row(String codec, Serializer<T> s, String text, T value) { System.out.println(codec + "\t" + text + "\t" + hex(s.serialize("t", value))); }
  public static void main(String[] a) {
    for (short v : new short[]{0, 1, -1, 258, Short.MIN_VALUE, Short.MAX_VALUE}) row("I16Be", new ShortSerializer(), "" + v, v);
    for (int v : new int[]{0, 1, -1, 65536, Integer.MIN_VALUE, Integer.MAX_VALUE}) row("I32Be", new IntegerSerializer(), "" + v, v);
    for (long v : new long[]{0, 1, -1, 1L << 40, Long.MIN_VALUE, Long.MAX_VALUE}) row("I64Be", new LongSerializer(), "" + v, v);
    for (float v : new float[]{0f, -0f, 1.5f, -3.25f, Float.MIN_VALUE, Float.MAX_VALUE, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, Float.NaN}) row("F32Be", new FloatSerializer(), String.format("%08x", Float.floatToRawIntBits(v)), v);
    for (double v : new double[]{0d, -0d, 0.1, -1e300, Double.MIN_VALUE, Double.MAX_VALUE, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY, Double.NaN}) row("F64Be", new DoubleSerializer(), String.format("%016x", Double.doubleToRawLongBits(v)), v);
    for (boolean v : new boolean[]{false, true}) row("Bool", new BooleanSerializer(), "" + v, v);
    for (String v : new String[]{"", "orders", "grün", "日本", "\uD83D\uDE80"}) row("Utf8", new StringSerializer(), hex(v.getBytes(java.nio.charset.StandardCharsets.UTF_8)), v);
    for (UUID v : new UUID[]{new UUID(0, 0), new UUID(-1, -1), UUID.fromString("123e4567-e89b-12d3-a456-426614174000"), new UUID(1, Long.MIN_VALUE)}) row("UuidText", new UUIDSerializer(), String.format("%016x%016x", v.getMostSignificantBits(), v.getLeastSignificantBits()), v);
    for (byte[] v : new byte[][]{{}, {0, 1, -1}}) row("Raw", new ByteArraySerializer(), hex(v), v);
    row("Void", new VoidSerializer(), "", null);
    row("Nullable(I64Be)", new LongSerializer(), "null", null);
    row("Nullable(Utf8)", new StringSerializer(), "null", null);
    row("Nullable(UuidText)", new UUIDSerializer(), "null", null);
  }
}
