"use strict";
(() => {
  document.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
    const busy = event.target.closest && event.target.closest("video, input, select");
    if (!step || busy || event.altKey || event.ctrlKey || event.metaKey) return;
    const link = document.querySelector(`a[rel=${step}]`);
    if (link) link.click();
  });

  const video = document.getElementById("overlay");
  const plot = document.querySelector(".motion-plot");
  if (!video || !plot) return;
  const left = Number(plot.dataset.left);
  const right = Number(plot.dataset.right);
  const duration = Number(plot.dataset.duration);
  const cursor = plot.querySelector(".cursor");

  function follow() {
    const share = duration > 0 ? Math.min(video.currentTime / duration, 1) : 0;
    const x = left + share * (right - left);
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    requestAnimationFrame(follow);
  }

  plot.addEventListener("click", (event) => {
    const box = plot.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * plot.viewBox.baseVal.width;
    const share = Math.min(Math.max((x - left) / (right - left), 0), 1);
    video.currentTime = share * duration;
  });

  if (matchMedia("(prefers-reduced-motion: reduce)").matches) video.pause();
  follow();
})();
