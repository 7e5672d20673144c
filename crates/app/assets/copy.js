(function(){
var c=navigator.clipboard,b=document.querySelector('[data-copy]');
if(!c||!b)return;
var s=document.getElementById('copied');
b.hidden=false;
b.addEventListener('click',function(){
c.writeText(b.getAttribute('data-copy')).then(function(){
s.className='vh';
s.textContent=b.getAttribute('data-done');
b.className='done';
},function(){
/* A browser inside an app may refuse: then the hand must do it, and the eye be told. */
getSelection().selectAllChildren(b.previousElementSibling);
s.className='muted';
s.textContent=b.getAttribute('data-fail');
b.className='';
});
});
})();
