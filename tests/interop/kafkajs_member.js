// A member of a group by kafkajs; README.md beside it says what it hears and says.
const { Kafka, logLevel } = require("kafkajs");
const readline = require("node:readline");

async function member(bootstrap, groupId, topic) {
  const kafka = new Kafka({ clientId: "kafkajs", brokers: bootstrap.split(","), logLevel: logLevel.ERROR });
  // Its round robin goes by a name of its own: it shares a group with no other client.
  const consumer = kafka.consumer({ groupId, sessionTimeout: 6000, heartbeatInterval: 500, rebalanceTimeout: 10000 });
  const positions = new Map();
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    const owned = (payload.memberAssignment[topic] ?? []).sort((one, another) => one - another);
    console.log(["owns", ...owned].join(" "));
  });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => {
      positions.set(partition, String(Number(message.offset) + 1));
      console.log(`read ${partition} ${message.offset}`);
    },
  });
  for await (const command of readline.createInterface({ input: process.stdin })) {
    if (command === "commit") {
      await consumer.commitOffsets([...positions].map(([partition, offset]) => ({ topic, partition, offset })));
      console.log("committed");
    } else if (command === "leave") {
      await consumer.disconnect();
      console.log("left");
      return;
    }
  }
}

const [, bootstrap, group, topic] = process.argv.slice(2);
member(bootstrap, group, topic).then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
