import { render } from "preact";
import { App } from "./app";
import { watchPresses, windowMoved } from "./gate";
import { texts, watch } from "./ipc";
import { speak } from "./text";

const told = await texts();
speak(told);
watchPresses();
await watch((view) => render(<App view={view} version={told.version} />, document.body), windowMoved);
