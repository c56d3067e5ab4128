// The JavaScript SDK's own providers for containers, against tenantd: what they fetched, and an
// object written and read with it. Prints one JSON document; the secret stays inside.
const { fromHttp, fromContainerMetadata } = require("@aws-sdk/credential-providers");
const { S3Client, PutObjectCommand, GetObjectCommand } = require("@aws-sdk/client-s3");
const fs = require("fs");

const appid = process.argv[2];

async function main() {
  const show = (c) => ({ accessKeyId: c.accessKeyId, expires: c.expiration instanceof Date });
  const http = fromHttp();
  const first = show(await http());

  // The older provider knows the token only as a value.
  process.env.AWS_CONTAINER_AUTHORIZATION_TOKEN = fs.readFileSync(
    process.env.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, "utf8");
  const older = show(await fromContainerMetadata({ timeout: 5000 })());

  const s3 = new S3Client({
    endpoint: process.env.ENDPOINT, region: "us-east-1", forcePathStyle: true,
    credentials: http, maxAttempts: 1,
  });
  const where = { Bucket: `${appid}-data`, Key: "from-javascript" };
  await s3.send(new PutObjectCommand({ ...where, Body: "written by fromHttp" }));
  const got = await s3.send(new GetObjectCommand(where));
  const body = await got.Body.transformToString();
  console.log(JSON.stringify({ fromHttp: first, fromContainerMetadata: older, body }));
}

main().catch((error) => {
  console.error(error.name, error.message);
  process.exit(1);
});
