// node run_tfjs.js MODEL_FOLDER INPUT.json OUTPUT.json: a TF.js graph model on an array of pictures.
const fs = require("fs");
const path = require("path");
const tf = require("@tensorflow/tfjs");

async function main() {
  const [folder, input, output] = process.argv.slice(2);
  const description = JSON.parse(fs.readFileSync(path.join(folder, "model.json")));
  const files = description.weightsManifest.flatMap((group) => group.paths);
  const weights = Buffer.concat(files.map((name) => fs.readFileSync(path.join(folder, name))));
  const model = await tf.loadGraphModel(
    tf.io.fromMemory({
      modelTopology: description.modelTopology,
      signature: description.signature,
      format: description.format,
      weightSpecs: description.weightsManifest.flatMap((group) => group.weights),
      weightData: weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.length),
    })
  );
  const images = tf.tensor4d(JSON.parse(fs.readFileSync(input)));
  const outputs = model.execute({ images });
  fs.writeFileSync(output, JSON.stringify((Array.isArray(outputs) ? outputs[0] : outputs).arraySync()));
}

main();
