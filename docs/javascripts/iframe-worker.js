// Browsers start no worker from a file: where the site is read from a folder, the search runs in a hidden frame instead.
"use strict";
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.waiting = [];
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      const inside = this.frame.contentWindow;
      // To the script it looks as in a worker: what it posts goes out, and what comes in is an event of its own.
      inside.postMessage = data => this.dispatchEvent(new MessageEvent("message", { data }));
      inside.importScripts = (...urls) =>
        Promise.all(urls.map(each => load(inside, new URL(each, url).href)));
      load(inside, new URL(url, location).href).then(() => {
        const early = this.waiting;
        this.waiting = null;
        early.forEach(data => this.postMessage(data));
      });
    }

    postMessage(data) {
      if (this.waiting) this.waiting.push(data);
      else this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data }));
    }

    terminate() {
      this.frame.remove();
    }
  };

  function load(inside, url) {
    return new Promise((loaded, failed) => {
      const script = inside.document.createElement("script");
      script.src = url;
      script.onload = loaded;
      script.onerror = failed;
      inside.document.body.append(script);
    });
  }
}
