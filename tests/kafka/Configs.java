// Prints what the configurations of Kafka's clients say of themselves, a property a line; client/tests/golden/config-4.3.1.txt holds it.
import java.util.*;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.utils.AppInfoParser;
public class Configs {
  static void rows(String client, ConfigDef definition) {
    for (ConfigDef.ConfigKey key : new TreeMap<>(definition.configKeys()).values()) {
      if (key.internalConfig) continue;
      // A property that must be set has no default, which is not null.
      String text = key.hasDefault() ? ConfigDef.convertToString(key.defaultValue, key.type) : "";
      String valid = key.validator == null ? "" : key.validator.toString();
      System.out.println(String.join("|", client, key.name, key.type.toString().toLowerCase(Locale.ROOT), text == null ? "null" : text, key.importance.toString().toLowerCase(Locale.ROOT), valid));
    }
  }
  public static void main(String[] a) {
    System.out.println("# What the ProducerConfig, ConsumerConfig and AdminClientConfig of Kafka " + AppInfoParser.getVersion() + " say of themselves. Made by `cargo xtask kafka configs`.");
    System.out.println("# client | property | type | default | importance | valid values");
    rows("producer", ProducerConfig.configDef());
    rows("consumer", ConsumerConfig.configDef());
    rows("admin", AdminClientConfig.configDef());
  }
}
