"""What TensorBoard's own reader finds in the event files of a run's folder, as JSON."""

import io
import json
import sys

from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

everything = {"scalars": 0, "images": 0, "histograms": 0}
events = EventAccumulator(sys.argv[1], size_guidance=everything)
events.Reload()

pictures = []
for event in events.Images("train/pictures"):
    picture = Image.open(io.BytesIO(event.encoded_image_string))
    picture.load()
    pictures.append([event.step, event.width, event.height, *picture.size])

classes = [[event.step, list(event.histogram_value.bucket)] for event in events.Histograms("epoch/classes")]

content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
start = HParamsPluginData.FromString(content).session_start_info
settings = {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}

json.dump({
    "scalars": {tag: [[event.step, event.value] for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]},
    "pictures": pictures,
    "classes": classes,
    "group": start.group_name,
    "settings": settings,
}, sys.stdout)
